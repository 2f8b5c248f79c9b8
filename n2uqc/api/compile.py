"""``compile``: from a network or program to an artifact for a target."""

from __future__ import annotations

from collections.abc import Sequence

from n2uqc.backends import Artifact
from n2uqc.backends import compile as compile_program
from n2uqc.backends.fpga import Folding
from n2uqc.backends.target import Progress as Listener
from n2uqc.frontend.input_shape import InputShape
from n2uqc.passes import Options

from .errors import names_missing_parts
from .model import Openable, open_model


@names_missing_parts
def compile(
    model: Openable,
    target: str = "aarch64",
    *,
    name: str | None = None,
    mcpu: str | None = None,
    mattr: Sequence[str] = (),
    folding: Folding | None = None,
    target_cycles: int | None = None,
    target_fps: float | None = None,
    device: str | None = None,
    clock_hz: float | None = None,
    rtl: bool = False,
    fill: float | None = None,
    options: Options | None = None,
    input_shape: InputShape | None = None,
    progress: Listener = lambda step: None,
) -> Artifact:
    """Compile a network or an integer program.

    Args:
        model: a program, or a network or saved program (path, bytes, ``onnx.ModelProto``,
            ``onnx_ir.Model``).
        target: name of a target: a processor such as ``aarch64``, ``aarch64+dotprod``,
            ``cortex-a72``, ``cortex-m4``, ``host``; ``fpga``; ``program``.
        name: name in symbols and files (lower-case letters, digits, underscores); by default that
            of the program. Libraries that are linked into one application need different names.
        mcpu, mattr: LLVM's name of the core and features with their signs, for processors.
        folding, target_cycles, target_fps, device, clock_hz, fill: of the datapath; see ``design``.
        rtl: write Verilog of the datapath too.
        options, input_shape: as for ``load``, for networks.
        progress: called with a description of each step.

    Returns:
        The artifact in memory; it can be saved, described and run.

    Raises:
        TypeError: ``model`` is something else.
        CompileError: the network is not supported; the name is no identifier; the target, processor
            or feature is unknown; the target does not support an argument; or a tool is missing.
        IllegalOp: a program breaks a rule of SPEC.md.
    """
    return compile_program(
        open_model(model, options, input_shape).program,
        target,
        name=name,
        mcpu=mcpu,
        mattr=mattr,
        folding=folding,
        target_cycles=target_cycles,
        target_fps=target_fps,
        device=device,
        clock_hz=clock_hz,
        rtl=rtl,
        fill=fill,
        progress=progress,
    )
