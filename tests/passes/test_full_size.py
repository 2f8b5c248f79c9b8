"""Full-size networks at 224x224: time, memory, file size and proof.  Minutes: `pytest -m slow`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from n2uqc.models.architectures import Variant, architectures
from n2uqc.models.export import export_onnx
from n2uqc.models.randomize import randomize, settle

# In a process of its own, so that time and memory are those of the compiler alone.
MEASURE = """
import json, os, resource, sys, time
import numpy as np
from n2uqc.frontend.load import load_graph
from n2uqc.passes.pipeline import compile_graph
from n2uqc.passes.program import quantize_input, run, save
from n2uqc.passes.checks.prove import prove_tables

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

path, start = sys.argv[1], time.process_time()
graph = load_graph(path)
facts = {"import_gib": peak()}
program = compile_graph(graph)
facts |= {"load_s": time.process_time() - start, "load_gib": peak()}
save(program, path + ".n2uq")
packed = sum(c.storage_bits for c in program.constants.values()) / 8
facts["file_ratio"] = os.path.getsize(path + ".n2uq") / packed
start = time.process_time()
proofs = prove_tables(graph, program)
facts |= {"prove_s": time.process_time() - start, "prove_gib": peak(),
          "values": sum(p.values for p in proofs),
          "mismatches": sum(len(p.mismatches) for p in proofs)}
x = quantize_input(program, np.random.default_rng(0).normal(0, 1, (1, 3, 224, 224)).clip(-8, 8))
start = time.process_time()
run(program, x)
facts["image_s"] = time.process_time() - start
print(json.dumps(facts))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bits", "downsample", "seconds"),
    [
        ("resnet18", 2, "quantized", 30),
        ("resnet18", 4, "float", 30),
        ("resnet34", 3, "float", 45),
        ("resnet50", 2, "quantized", 60),
        ("resnet50", 3, "float", 60),
        ("mobilenetv2", 4, "float", 45),
    ],
)
def test_full_size(name: str, bits: int, downsample: str, seconds: float, tmp_path: Path) -> None:
    """Processor seconds, which a busy machine does not change much, against the limits."""
    torch.manual_seed(0)
    kind = {} if name == "mobilenetv2" else {"downsample": downsample}
    network = architectures[name].build(Variant(bits, **kind))
    randomize(network, bits)
    settle(network, torch.randn(2, 3, 224, 224), bits)
    path = tmp_path / f"{name}.onnx"
    export_onnx(network.eval(), path, torch.zeros(1, 3, 224, 224))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
    )
    facts = json.loads(done.stdout)
    assert facts["load_s"] < seconds, facts
    assert facts["import_gib"] < 2 and facts["prove_gib"] < 4, facts
    assert facts["file_ratio"] <= 1.1, facts
    assert facts["mismatches"] == 0 and facts["values"] > 10**9, facts
    assert name != "resnet18" or facts["image_s"] < 3, facts
