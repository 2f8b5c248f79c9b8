"""Estimates what a network costs as hardware, by the way its activations are quantized.

For every layer: multipliers, adders, comparators, LUT, FF, DSP and BRAM, memory bits, cycles and
energy, under uniform requantization (multiply and shift, or thresholds), N2UQ comparison tables,
and nonuniform output levels.  Resources are counted from the hardware's one description, the same
that `compile --target fpga` writes; every assumption is printed.  With --synthesize, yosys checks
the counts engine by engine.

One MODEL is shown in other dresses (--as chooses them): the same network with other quantizers and
levels, hardware only, without any claim on accuracy.  Several MODELs are networks trained apart:
each is costed as what it is.  With --data their accuracy is that of the integer program on labeled
images, and the front of accuracy against LUT, DSP, block RAM and cycles is marked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.data import read_labeled
from n2uqc.console.files import keep_inputs, require_writable
from n2uqc.console.folding import add_folding, clock_hz, given_folding
from n2uqc.console.model import CHOICES, add_precision, opened
from n2uqc.console.output import show, tell_written
from n2uqc.console.progress import TERMINAL, working
from n2uqc.frontend.escape import plain

HELP = "hardware cost: uniform, N2UQ and nonuniform quantizers compared"
EXAMPLES = """\
examples:
  n2uqc cost net.onnx
  n2uqc cost net.onnx --as uniform,n2uq,codebook
  n2uqc cost n2uq.onnx lsq.onnx apot.onnx --data test.npz --html cost.html
  n2uqc cost net.onnx --technology ecp5 --target-cycles 20000 --json
  n2uqc cost net.onnx --target-fps 5000 --synthesize
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "models",
        metavar="MODEL",
        type=Path,
        nargs="+",
        help="ONNX files, or programs saved by `n2uqc compile --target program`",
    )
    parser.add_argument(
        "--as",
        dest="dresses",
        metavar="LIST",
        help="dresses in which one network is shown: uniform, n2uq, codebook, apot, lq (all)",
    )
    parser.add_argument(
        "--data",
        metavar="F.npz",
        type=Path,
        help="images and labels (arrays x and y, or images and labels; a label is the index of the "
        "right output) that the accuracy of each network is measured on",
    )
    parser.add_argument(
        "--processor",
        metavar="T",
        help="also compile each network for this ARM target, such as cortex-a72 or cortex-m4, and "
        "count instructions and estimated cycles of an image",
    )
    parser.add_argument(
        "--html",
        metavar="F.html",
        type=Path,
        help="write a self-contained page with plots, and its data beside it as F.json and F.csv",
    )
    parser.add_argument(
        "--technology",
        metavar="NAME",
        help="FPGA family: xc7 (AMD 7 series), xcup (AMD UltraScale+), ecp5 or ice40 (Lattice), "
        "gowin (GW2A) (the device's, else xc7)",
    )
    parser.add_argument(
        "--synthesize",
        action="store_true",
        help="run yosys on every engine of the datapath and "
        "print its LUT, FF, carry, DSP and block RAM beside what was counted (needs n2uqc[rtl])",
    )
    add_folding(parser)
    add_precision(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.cost import check_request, cost

    pages = _pages(options)
    dresses = () if options.dresses is None else tuple(map(str.strip, options.dresses.split(",")))
    check_request(len(options.models), dresses, options.folding is not None)
    data = None if options.data is None else read_labeled(options.data)
    models = []
    for model in options.models:
        options.model = model
        models.append(opened(options))
    found = cost(
        *models,
        dresses=dresses,
        data=data,
        processor=options.processor,
        folding=given_folding(options, models[0].program),
        target_cycles=options.target_cycles,
        target_fps=options.target_fps,
        device=options.device,
        technology=options.technology,
        clock_hz=clock_hz(options),
        fill=options.fill,
        synthesize=options.synthesize,
        command=command_line(options),
        progress=TERMINAL,
    )
    if options.html is not None:
        with working("drawing the page"):
            found.to_html(options.html)
    show(found, options)
    for page in pages:
        tell_written(page, options)
    return 0


def _pages(options: argparse.Namespace) -> tuple[Path, ...]:
    """Return the files of --html: the page, and its data beside it unless it goes to a stream.

    Raises:
        UserError: one of them cannot be written, or is an input.
    """
    from n2uqc.frontend.write import is_stream

    if options.html is None:
        return ()
    require_writable(options.html)  # a folder may have no name that ends in a suffix
    pages = (options.html,)
    if not is_stream(options.html):
        beside = options.html_json, options.html_csv = tuple(
            options.html.with_suffix(end) for end in (".json", ".csv")
        )
        keep_inputs(options)
        pages += beside
    for path in pages:
        require_writable(path)
    return pages


def command_line(options: argparse.Namespace) -> str:
    """Return the command that reproduces a page."""
    import shlex

    given = [str(model) for model in options.models]
    for name in (*_REPEATED, *CHOICES):
        value = getattr(options, name, None)
        if value is None:
            continue
        flag = f"--{_REPEATED.get(name, name.replace('_', '-'))}"
        if name == "width":
            given += [part for of, bits in value for part in (flag, f"{of}={bits}")]
        else:
            given += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return plain(shlex.join(["n2uqc", "cost", *given]))


_REPEATED = {"dresses": "as"} | {
    name: name.replace("_", "-")
    for name in ("data", "processor", "technology", "device", "folding", "target_cycles",
                 "target_fps", "clock", "fill")
}  # fmt: skip
"""Options that change the figures, beside those of precision, by their attribute."""
