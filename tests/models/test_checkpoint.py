"""Checkpoints: read without running their pickle, every fault named at once."""

from __future__ import annotations

import argparse
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from n2uqc.frontend.diagnostics import CompileError
from n2uqc.models.architectures import Variant, architectures
from n2uqc.models.checkpoint import build_network, read_checkpoint
from n2uqc.models.export import export_onnx, run_onnx
from n2uqc.models.randomize import randomize, settle

IMAGE = (32, 48)
SMALL = Variant(2, "float", classes=9, image=IMAGE, width=1 / 16)
RESNET18 = architectures["resnet18"]

State = dict[str, Tensor]


def network_of(variant: Variant, name: str = "resnet18", seed: int = 1) -> nn.Module:
    network = architectures[name].build(variant)
    randomize(network, seed)
    settle(network, torch.randn(2, 3, *variant.image), seed)
    return network


@pytest.fixture(scope="module")
def state() -> State:
    """A small ResNet-18."""
    return network_of(SMALL).state_dict()


def saved(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def refusal(path: Path, variant: Variant = SMALL, name: str = "resnet18") -> str:
    with pytest.raises(CompileError) as caught:
        build_network(read_checkpoint(path), architectures[name], variant)
    return " ".join(str(caught.value).split())


NETWORKS = [("resnet18", 2, "quantized"), ("resnet50", 3, "float"), ("mobilenetv2", 4, "float")]


@pytest.mark.parametrize(("name", "bits", "downsample"), NETWORKS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_state_dict_to_network(
    name: str, bits: int, downsample: Any, wrapped: bool, tmp_path: Path
) -> None:
    variant = Variant(bits, downsample, classes=6, image=IMAGE, width=1 / 16)
    original = network_of(variant, name)
    content: Any = original.state_dict()
    if wrapped:
        content = {"epoch": 7, "state_dict": nn.DataParallel(original).state_dict()}
    checkpoint = read_checkpoint(saved(content, tmp_path / "net.pth"))
    assert checkpoint.prefix == ("module." if wrapped else "")
    assert checkpoint.beside == ({"epoch": 7} if wrapped else {})
    network = build_network(checkpoint, architectures[name], variant)
    loaded = network.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in original.state_dict().items())
    x = torch.randn(2, 3, *IMAGE)
    with torch.no_grad():
        assert torch.equal(network(x), original.eval()(x))


@pytest.mark.parametrize(
    ("name", "bits", "downsample"),
    [NETWORKS[0], *(pytest.param(*each, marks=pytest.mark.slow) for each in NETWORKS[1:])],
)
def test_network_to_onnx(name: str, bits: int, downsample: Any, tmp_path: Path) -> None:
    variant = Variant(bits, downsample, classes=6, image=IMAGE, width=1 / 16)
    original = network_of(variant, name)
    checkpoint = read_checkpoint(saved(original.state_dict(), tmp_path / "net.pth"))
    network = build_network(checkpoint, architectures[name], variant)
    export_onnx(network, tmp_path / "net.onnx", torch.zeros(1, 3, *IMAGE))
    images = np.random.default_rng(2).standard_normal((16, 3, *IMAGE)).astype(np.float32)
    with torch.no_grad():
        expected = original.eval()(torch.from_numpy(images)).numpy()
    close = np.isclose(run_onnx(tmp_path / "net.onnx", images), expected, rtol=1e-3, atol=1e-3)
    assert close.all(1).mean() >= 0.75  # rounding may carry a value across a threshold
    assert np.ptp(expected, 0).max() > 0.01


def test_float16_and_old_keys_are_read(state: State, tmp_path: Path) -> None:
    """float32 holds every float16; checkpoints of old PyTorch do not count batches."""
    old = {key: value.half() if key.endswith(".bias") else value for key, value in state.items()}
    old = {key: value for key, value in old.items() if not key.endswith("num_batches_tracked")}
    path = tmp_path / "old.pth"
    torch.save(old, path, _use_new_zipfile_serialization=False)
    loaded = build_network(read_checkpoint(path), RESNET18, SMALL).state_dict()
    assert all(torch.equal(loaded[key], value.float()) for key, value in old.items())


def test_every_fault_is_in_one_message(state: State, tmp_path: Path) -> None:
    broken = dict(state)
    del broken["layer1.0.quan1.scale1"], broken["bn1.running_mean"]
    broken["layer9.0.conv1.weight"] = torch.zeros(1)
    broken["layer1.1.conv2.weight"] = torch.zeros(4, 4, 1, 1)
    broken["layer2.0.bn1.running_var"] = -state["layer2.0.bn1.running_var"]
    broken["layer2.0.quan1.a"] = torch.full((3,), float("nan"))
    broken["layer2.1.bias11.bias"] = torch.full((1, 8, 1, 1), 0.1, dtype=torch.float64)
    text = refusal(saved(broken, tmp_path / "net.pth"))
    assert "does not fit resnet18 at 2 bits, float downsample" in text
    assert "missing (2): bn1.running_mean, layer1.0.quan1.scale1" in text
    assert "extra (1): layer9.0.conv1.weight" in text
    assert "misshapen (1): layer1.1.conv2.weight [4, 4, 1, 1] instead of [4, 4, 3, 3]" in text
    assert "unusable (3): layer2.0.bn1.running_var (negative), " in text
    assert "layer2.0.quan1.a (not finite), layer2.1.bias11.bias (float64 values that no" in text
    assert str(tmp_path / "net.pth") in text


def test_all_keys_are_listed_however_many(state: State, tmp_path: Path) -> None:
    text = refusal(saved({"other": torch.zeros(1)}, tmp_path / "net.pth"))
    named = [key for key in state if not key.endswith("num_batches_tracked")]
    assert f"missing ({len(named)})" in text and all(f"{key}" in text for key in named)


def test_a_prefix_of_some_keys_only_is_not_removed(state: State, tmp_path: Path) -> None:
    mixed = {("module." if key.startswith("fc") else "") + key: v for key, v in state.items()}
    text = refusal(saved(mixed, tmp_path / "net.pth"))
    assert "missing (2): fc.bias, fc.weight" in text
    assert "extra (2): module.fc.bias, module.fc.weight" in text


@pytest.mark.parametrize(
    ("name", "variant", "options"),
    [
        ("resnet18", Variant(3, "quantized"), "--arch resnet18 --bits 3 --quantize-downsample"),
        ("resnet34", Variant(2, "float", 10), "--arch resnet34 --bits 2"),
        ("mobilenetv2", Variant(4), "--arch mobilenetv2 --bits 4"),
    ],
)
def test_the_options_that_fit_are_named(
    name: str, variant: Variant, options: str, tmp_path: Path
) -> None:
    path = saved(architectures[name].build(variant).state_dict(), tmp_path / "net.pth")
    text = refusal(path, Variant(2, "float"))
    assert text.endswith(f"hint: these options fit: {options}")


def test_the_number_of_classes_comes_from_the_file(state: State, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(saved(state, tmp_path / "net.pth"))
    variant = Variant(2, "float", classes=1000, width=1 / 16)
    assert checkpoint.classes == 9
    assert build_network(checkpoint, RESNET18, variant).get_submodule("fc").out_features == 9
    text = refusal(saved({**state, "fc.bias": torch.zeros(8)}, tmp_path / "net.pth"))
    assert "misshapen (1): fc.bias [8] instead of [9]" in text


class Runs:
    """Makes a file when its pickle is run."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("place", ["whole", "state_dict", "value", "old format", "pickle"])
def test_a_malicious_pickle_is_not_run(place: str, state: State, tmp_path: Path) -> None:
    path, proof = tmp_path / "net.pth", tmp_path / "proof"
    evil: Any = {"whole": Runs(proof), "state_dict": {"state_dict": Runs(proof)}}.get(
        place, {**state, "extra": Runs(proof)}
    )
    if place == "pickle":
        path.write_bytes(pickle.dumps(Runs(proof), protocol=2))
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=place != "old format")
    text = refusal(path)
    assert not proof.exists()
    assert text.startswith(f"checkpoint '{path}': refused: its pickle asks for `")
    assert "mkdir" in text and "save only the tensors" in text
    assert "weights_only" not in text  # torch's own advice is to run it
    if place == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert proof.exists()  # the bait does work


def test_objects_beside_the_tensors_are_refused(state: State, tmp_path: Path) -> None:
    path = saved({"state_dict": state, "args": argparse.Namespace(lr=1)}, tmp_path / "net.pth")
    assert "its pickle asks for `argparse.Namespace`" in refusal(path)
    text = refusal(saved(network_of(SMALL), tmp_path / "net.pth"))  # a whole pickled module
    assert "its pickle asks for `" in text and "ResidualNetwork`" in text


def script(path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b"hello, I am no checkpoint"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
        script,
    ],
    ids=["text", "empty", "broken zip", "TorchScript"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_files_are_refused(write: Callable[[Path], Any], tmp_path: Path) -> None:
    write(tmp_path / "net.pth")
    assert "not a file of torch.save, a damaged one" in refusal(tmp_path / "net.pth")


def test_a_cut_file_is_refused(state: State, tmp_path: Path) -> None:
    path = saved(state, tmp_path / "net.pth")
    path.write_bytes(path.read_bytes()[:-2000])
    assert "a damaged one" in refusal(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (torch.zeros(3), "holds a tensor of float32, strided, cpu"),
        ([torch.zeros(3)], "holds a list"),
        ({}, "is empty"),
        ({"epoch": 3, "model": {"a": torch.zeros(1)}}, "'epoch' (a int), 'model' (a dict)"),
        ({"a": torch.zeros(3).to_sparse()}, "'a' (a tensor of float32, sparse_coo, cpu)"),
        ({"a": torch.zeros(3, device="meta")}, "'a' (a tensor of float32, strided, meta)"),
    ],
)
def test_other_contents_are_refused(content: object, found: str, tmp_path: Path) -> None:
    text = refusal(saved(content, tmp_path / "net.pth"))
    assert found in text and "supported: a state dict" in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "net.pth")
    with pytest.raises(IsADirectoryError):
        read_checkpoint(tmp_path)
