"""The command line: ``n2uqc COMMAND …``; each command is a file of ``n2uqc.commands``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from n2uqc import __version__
from n2uqc.commands import COMMANDS

_ABOUT = """\
Compiles networks trained with N2UQ from ONNX into integer-only programs: binaries for ARM and this
machine, and a simulated FPGA-style datapath.  All of them give the same integers.
"""

_EXAMPLES = """\
A first walk, with the trained network that comes with the package:
  MODEL=$(python -c "from n2uqc.models import shipped; print(shipped.path('digits_2bit'))")
  n2uqc inspect $MODEL                                   what was recognised in it
  n2uqc compile $MODEL --target aarch64 -o out/digits    an ARM program with header and library
  n2uqc run out/digits --input x.npy --output y.npy      run it (emulated on other machines)
  n2uqc verify $MODEL                                    do all executors agree, bit for bit?
  n2uqc cost $MODEL --html cost.html                     what it would cost as hardware

`n2uqc COMMAND --help` explains a command.  Exit status: 0 done, 1 verification found a difference,
2 the input or the request is at fault (one message says what), 3 a fault of n2uqc itself.
"""

# Errors of n2uqc that a user can mend, by name: their modules are heavy to import.
_EXPECTED = frozenset(
    {"CompileError", "UserError", "InputError", "StoreError", "IllegalOp", "TextError"}
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; quick, for nothing heavy is imported."""
    parser = argparse.ArgumentParser(
        prog="n2uqc", description=_ABOUT, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"n2uqc {__version__}")
    parser.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name in COMMANDS:
        module = import_module(f"n2uqc.commands.{name}")
        command = commands.add_parser(
            name.replace("_", "-"), help=module.HELP, description=module.__doc__,
            epilog=module.EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(command)
        command.add_argument(
            "--traceback", action="store_true", help=argparse.SUPPRESS, default=argparse.SUPPRESS
        )
        command.set_defaults(run=module.run)
    return parser


def _is_expected(error: BaseException) -> bool:
    return isinstance(error, OSError) or any(
        kind.__name__ in _EXPECTED and kind.__module__.startswith("n2uqc.")
        for kind in type(error).__mro__
    )


def _say(message: Any) -> None:
    print(f"n2uqc: {message}", file=sys.stderr)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; the process's own by default.

    Returns:
        the exit status: 0, 1 (a difference was found), 2 (the user's side), 3 (a fault of n2uqc).
    """
    options = build_parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        try:
            status = int(options.run(options) or 0)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _say("interrupted")
            return 130
        except BrokenPipeError:  # the reader of our output left, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            if options.traceback:
                traceback.print_exc()
            if _is_expected(error):
                _say(f"error: {_describe(error)}")
                return 2
            _say(
                f"internal error: {type(error).__name__}: {error}\n"
                "This is a fault of n2uqc, not of your input. The same command with --traceback "
                "shows where; please report it with that output."
            )
            return 3
    return status


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
