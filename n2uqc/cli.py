"""The command line: ``n2uqc COMMAND …``; each command is a file of ``n2uqc.commands``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NoReturn

from n2uqc.commands import COMMANDS
from n2uqc.console.errors import guarded
from n2uqc.console.files import keep_inputs
from n2uqc.console.output import add_output
from n2uqc.console.parser import Parser
from n2uqc.console.progress import silence
from n2uqc.console.streams import standard_streams
from n2uqc.version import __version__

_ABOUT = """\
Compiles networks trained with N2UQ from ONNX into integer-only programs: binaries for ARM and this
machine, and a simulated FPGA-style datapath.  All of them give the same integers.
"""

_EXAMPLES = """\
A first walk, with the trained network that comes with the package:
  MODEL=$(python -c "from n2uqc.models import shipped; print(shipped.path('digits_2bit'))")
  n2uqc inspect $MODEL                                   what was recognized in it
  n2uqc compile $MODEL --target aarch64 -o out/digits    an ARM program with header and library
  n2uqc run out/digits --input x.npy --output y.npy      run it (emulated on other machines)
  n2uqc verify $MODEL                                    do all executors agree, bit for bit?
  n2uqc cost $MODEL --html cost.html                     what it would cost as hardware

`n2uqc COMMAND --help` explains a command.  Exit status: 0 done, 1 verification found a difference
or a point of a sweep failed, 2 the input or the request is at fault (one message says what), 3 a
fault of n2uqc itself.
"""

_WITH_TORCH = {"convert", "import-checkpoint", "study", "sweep", "train"}
_TAKES_A_SIGN = ("--input-range", "--mean", "--pixels", "--input-scale")


def build_parser() -> Parser:
    """Return the parser of the command line, without importing large packages."""
    parser = Parser(
        prog="n2uqc",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"n2uqc {__version__}")
    parser.set_defaults(whole=parser)
    _add_common(parser)
    commands = parser.add_subparsers(
        metavar="COMMAND", required=True, title="commands", parser_class=Parser
    )
    for name in COMMANDS:
        module = import_module(f"n2uqc.commands.{name}")
        command = commands.add_parser(
            name.replace("_", "-"),
            help=module.HELP,
            description=_filled(module.__doc__ or ""),
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        add_output(command)
        _add_common(command, default=argparse.SUPPRESS)
        command.set_defaults(run=module.run, command=command)
    return parser


def _filled(text: str) -> str:
    """Return paragraphs as wide as the terminal."""
    width = max(20, shutil.get_terminal_size().columns - 2)
    paragraphs = (textwrap.fill(part, width) for part in text.strip().split("\n\n"))
    return "\n\n".join(paragraphs)


def _add_common(parser: argparse.ArgumentParser, **options: Any) -> None:
    """Add what may stand before and after the command."""
    parser.add_argument(
        "--quiet",
        "-q",
        action="store_true",
        help="print errors and warnings only, and what --json asks for",
        **options,
    )
    parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS, **options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; by default those of the process.

    Returns:
        The exit status: 0, 1 (a difference was found), 2 (input or request is wrong), 3 (a fault of
            n2uqc).
    """
    arguments = _joined(sys.argv[1:] if argv is None else argv)
    if argv is None:  # run as a program: clean up on SIGTERM as on an interrupt
        for name in ("SIGTERM", "SIGHUP"):  # the latter: the terminal was closed
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _ended)
        _leave_out_torch(arguments)
    return guarded(lambda: _run(arguments), show_traceback="--traceback" in arguments)


def _leave_out_torch(arguments: Sequence[str]) -> None:
    """Let TVM not find torch, which it imports where it is installed.

    That takes seconds of processor time, and few commands use torch.
    """
    if not _WITH_TORCH & set(arguments):
        sys.modules.setdefault("torch", None)  # type: ignore[arg-type]


def _ended(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _run(arguments: Sequence[str]) -> int:
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return 0
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.command.unknown(unknown)
    quiet = silence(output=not getattr(options, "json", False)) if options.quiet else nullcontext()
    with standard_streams(options), quiet:
        keep_inputs(options)
        status: int = options.run(options)
    return status


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join ``--mean -1,1`` to ``--mean=-1,1``; argparse would read ``-1,1`` as an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _TAKES_A_SIGN and argument[:1] == "-" != argument[1:2]:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
