"""The shipped networks are what their records say."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import onnx
import onnxruntime
import pytest

from n2uqc.models import shipped
from n2uqc.models.data import digits
from n2uqc.models.export import run_onnx

NAMES = shipped.names()


def test_the_promised_networks_ship() -> None:
    assert {"digits_float", "digits_2bit"} <= set(NAMES)


def test_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'digits_9bit'.*digits_2bit"):
        shipped.path("digits_9bit")


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_record_belongs_to_the_file(self, name: str) -> None:
        file, record = shipped.path(name), shipped.record(name)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]
        assert record["command"].startswith("python -m n2uqc.models.train ")
        assert record["bits"] == (None if name == "digits_float" else int(name[-4]))
        assert file.stat().st_size < 300 * 1024

    def test_held_back_accuracy(self, name: str) -> None:
        record, held_back = shipped.record(name), digits().test
        correct = int(
            (run_onnx(shipped.path(name), held_back.images).argmax(1) == held_back.labels).sum()
        )
        assert (correct, len(held_back)) == (record["correct"], record["of"])
        assert record["accuracy"] == pytest.approx(correct / 540, abs=1e-6) and correct > 0.98 * 540
        assert record["accuracy"] > record["float_accuracy"] - 0.015
        assert not record["validate"]

    def test_file_is_plain_standard_onnx(self, name: str) -> None:
        model = onnx.load(shipped.path(name))
        onnx.checker.check_model(model, full_check=True)
        assert {node.domain for node in model.graph.node} == {""}
        assert model.producer_name == "pytorch" and not model.metadata_props
        assert not any(node.doc_string for node in model.graph.node)  # would hold source paths
        (image,) = onnxruntime.InferenceSession(shipped.path(name)).get_inputs()
        assert image.shape == ["batch", 1, 8, 8]


def test_float_accuracy_is_that_of_the_float_network() -> None:
    float_record = shipped.record("digits_float")
    assert float_record["correct"] == float_record["float_correct"]
    for name in NAMES:
        record = shipped.record(name)
        if record["epochs"] == float_record["epochs"]:  # the same float training came first
            assert record["float_correct"] == float_record["correct"]


def test_finding_shipped_networks_needs_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"  # makes `import torch` fail
        "from n2uqc.models import shipped\n"
        "assert shipped.path('digits_2bit').is_file()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
