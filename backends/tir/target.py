"""LLVM targets, with names checked before they reach LLVM."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm.target import codegen

from ..cross import CROSS
from ..processor import Processor


def llvm_target(
    triple: str,
    cpu: str = "generic",
    features: Sequence[str] = (),
    *,
    float_abi: str = "",
    scalar: bool = False,
) -> tvm.target.Target:
    """Return a TVM target for one processor.

    LLVM only warns about an unknown processor or feature and continues with another one, so both
    are checked here.

    Args:
        triple: LLVM triple, such as ``aarch64-linux-gnu``.
        cpu: LLVM's name of the processor (``-mcpu``).
        features: LLVM features, each with its sign: ``+dotprod``.
        float_abi: ``soft`` or ``hard`` where the triple does not determine it (32-bit ARM).
        scalar: whether the processor has no vector unit.

    Raises:
        ValueError: LLVM knows no such processor or feature for the triple.
    """
    if not codegen.llvm_is_valid_cpu(cpu, triple):
        plain = tvm.target.Target({"kind": "llvm", "mtriple": triple})
        known = sorted(map(str, codegen.llvm_get_cpu_archlist(plain)))
        raise ValueError(
            f"LLVM knows no processor {cpu!r} for {triple}; it knows {', '.join(known)}"
        )
    config: dict[str, object] = {
        "kind": "llvm",
        "mtriple": triple,
        "mcpu": cpu,
        "mattr": list(features),
    }
    if float_abi:
        config["mfloat-abi"] = float_abi
    if scalar:
        config["vector-width"] = 32  # else TVM warns and takes another processor's width
    for feature in features:
        if feature[:1] not in "+-" or len(feature) < 2:
            raise ValueError(f"feature {feature!r} has no sign; write +{feature} or -{feature}")
        # LLVM ignores an unknown feature, whatever its sign: the resulting target does not have it.
        probe = tvm.target.Target({**config, "mattr": [f"+{feature[1:]}"]})
        if not codegen.target_has_features(feature[1:], probe):
            raise ValueError(f"LLVM knows no feature {feature[1:]!r} for {triple}")
    return tvm.target.Target(config)


def target_of(processor: Processor) -> tvm.target.Target:
    """Return the TVM target of a processor.

    Raises:
        ValueError: this LLVM knows no such processor or feature.
    """
    return llvm_target(
        processor.triple,
        processor.cpu,
        processor.features,
        float_abi=processor.float_abi,
        scalar=processor.vectors.scalar,
    )


def pointer_bits(target: tvm.target.Target) -> int:
    """Return the width of an address: 32 or 64."""
    architecture = str(target.attrs["mtriple"]).partition("-")[0]
    # Triples of 32-bit ARM begin with the version of its architecture.
    return CROSS[architecture].bits if architecture in CROSS else 32
