"""The demonstration on a shipped network: ``python -m n2uqc.demo``, or ``make demo``.

It compiles a trained 2-bit network for handwritten digits, runs it on all held-back images with
every executor, checks that all give the same integers, and compares hardware cost. It writes to
out/demo.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.api.executors import Outcome, run_all
from n2uqc.console.errors import guarded
from n2uqc.console.progress import wide_console, working
from n2uqc.frontend.escape import markup

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.console import Console

    from n2uqc.models.data import Split
    from n2uqc.passes.program import Program

NETWORK, FLOAT_TWIN = "digits_2bit", "digits_float"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if every executor ran and agrees with the interpreter, else 1."""
    parser = argparse.ArgumentParser(prog="python -m n2uqc.demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("out/demo"), help="folder (out/demo)")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N images")
    parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    return guarded(
        lambda: _demonstrate(options.output, options.images), show_traceback=options.traceback
    )


def _demonstrate(folder: Path, count: int | None) -> int:
    from n2uqc import load
    from n2uqc.api.cost import cost
    from n2uqc.api.inspect import inspect
    from n2uqc.backends.datapath_table import binding
    from n2uqc.backends.fpga import Simulator
    from n2uqc.backends.fpga.design import CLOCK_HZ
    from n2uqc.models import data, shipped
    from n2uqc.passes.program import quantize_input, save

    console = wide_console()
    folder.mkdir(parents=True, exist_ok=True)
    model = shipped.path(NETWORK)
    test = data.digits().test
    test = data.Split(test.images[:count], test.labels[:count])

    console.rule(f"1. What is in {model.name}")
    console.print(markup(inspect(model).summary()))

    console.rule("2. One integer program")
    with working("compiling to the integer program"):
        program = load(model)
    save(program, folder / f"{NETWORK}.n2uq")
    _show_program(program, console)

    console.rule("3. Cycles of the datapath")
    x = quantize_input(program, test.images)
    simulation = Simulator(program).run(x[:1])
    console.print(
        f"latency {simulation.latency:,} cycles, initiation interval {simulation.interval:,} "
        f"cycles ({simulation.images_per_second(CLOCK_HZ):,.0f} images/s at "
        f"{CLOCK_HZ / 1e6:g} MHz), {simulation.overflows} accumulator overflows"
    )
    console.print(markup(binding(simulation.rows())))

    console.rule("4. What the quantizer costs in hardware")
    costs = cost(program)
    console.print(markup(" ".join(costs.report.verdict)))
    with working("drawing the page"):
        costs.to_html(folder / "cost.html")
    console.print(
        markup(f"layer by layer, with plots and all assumptions: {folder / 'cost.html'}"),
        soft_wrap=True,
    )

    console.rule(f"5. {len(test)} held-back images through every executor")
    outcomes = run_all(
        program, x, folder, announce=lambda target: console.print(f"… {target.executor_summary}")
    )
    agree = _show_outcomes(program, outcomes, test, console)

    console.rule("Files written")
    for path in sorted(folder.iterdir()):
        files = [p for p in (path, *path.rglob("*")) if p.is_file()]
        held = f"{len(files)} files, " if path.is_dir() else ""
        size = sum(file.stat().st_size for file in files)
        console.print(f"  {markup(path)}  {held}{size:,} bytes", soft_wrap=True)
    return 0 if agree else 1


def _show_program(program: Program, console: Console) -> None:
    tables = sum(op.mnemonic == "thresholds" for op in program.ops)
    bits = sum(constant.storage_bits for constant in program.constants.values())
    arena = program.plan.size if program.plan is not None else 0
    console.print(
        f"{len(program.ops)} integer operations, {tables} of them comparison tables into which "
        f"BatchNorm, biases, PReLU and scales are folded; {bits / 8192:.1f} KiB of constants, "
        f"{arena / 1024:.1f} KiB of working memory; no floating point."
    )
    for note in program.notes:
        console.print(f"note: {markup(note)}")


def _show_outcomes(
    program: Program, outcomes: list[Outcome], test: Split, console: Console
) -> bool:
    """Print one line per executor; return whether all ran and gave the interpreter's integers."""
    from rich.table import Table

    from n2uqc.passes.program import real_output

    reference = outcomes[0].output
    assert reference is not None
    table = Table(box=None, pad_edge=False)
    for title in ("executor", "accuracy", "images with the interpreter's integers", "seconds"):
        table.add_column(title, justify="left" if title == "executor" else "right")
    agree, missing = True, list[str]()
    for outcome in outcomes:
        if outcome.output is None:
            table.add_row(outcome.target.executor_summary, "not run", "", "")
            missing.append(f"{outcome.target.executor_summary}: not run: {outcome.missing}")
            continue
        same = (outcome.output == reference).reshape(len(test), -1).all(axis=1)
        agree &= bool(same.all())
        table.add_row(
            outcome.target.executor_summary,
            _accuracy(real_output(program, outcome.output), test),
            f"{same.sum()} of {len(test)}" if same.all() else f"[red]{same.sum()} of {len(test)}",
            f"{outcome.seconds:.2f}",
        )
    for name, summary in (
        (NETWORK, "the same ONNX file in ONNX Runtime (float32)"),
        (FLOAT_TWIN, "float network of the same shape (float32)"),
    ):
        with working(summary):
            start = time.perf_counter()
            scores = _onnx_runtime(name, test.images)
        seconds = time.perf_counter() - start
        table.add_row(summary, _accuracy(scores, test), "–", f"{seconds:.2f}")
    console.print(table)
    for line in missing:
        console.print(line, markup=False)
    if not agree:
        console.print("[red]The executors differ: this is a fault of n2uqc, please report it.")
    elif not missing:
        console.print("All executors gave the same integers, bit for bit.")
    return agree and not missing


def _accuracy(scores: NDArray[Any], test: Split) -> str:
    right = int((scores.argmax(axis=1) == test.labels).sum())
    return f"{100 * right / len(test):.2f}% ({right})"


def _onnx_runtime(name: str, images: NDArray[Any]) -> NDArray[Any]:
    import onnxruntime

    from n2uqc.models import shipped

    session = onnxruntime.InferenceSession(
        str(shipped.path(name)), providers=["CPUExecutionProvider"]
    )
    scores: NDArray[Any] = session.run(None, {session.get_inputs()[0].name: images})[0]
    return scores


if __name__ == "__main__":
    sys.exit(main())
