"""Lists the trained networks in the package, copies one, or trains one again.

Each was trained by a command that its record states, with data, seed and versions of packages;
`reproduce` runs that command and compares bytes and accuracy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from n2uqc.console.files import require_writable
from n2uqc.console.output import show, tell_written
from n2uqc.console.progress import TERMINAL

HELP = "list the trained networks in the package, copy one, or train one again"
EXAMPLES = """\
examples:
  n2uqc models                                       which there are, how good, their files
  n2uqc models copy digits_2bit -o digits.onnx       a file to try the other commands on
  n2uqc models reproduce digits_2bit                 train it again; is it as good?
"""
_ACTIONS = ("list", "copy", "reproduce")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "action", nargs="?", choices=_ACTIONS, default="list", help="what to do (list)"
    )
    parser.add_argument("name", nargs="?", help="which network, for copy and reproduce")
    parser.add_argument(
        "--output",
        "-o",
        metavar="MODEL.onnx",
        type=Path,
        help="file to write: copy needs one, reproduce keeps what it trained",
    )


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    from n2uqc.api.errors import UserError
    from n2uqc.api.zoo import reproduce, shipped_networks

    if options.action == "list":
        if options.name or options.output:
            raise UserError("list takes neither a network nor --output")
        show(shipped_networks(), options)
        return 0
    if not options.name:
        raise UserError(f"{options.action} needs the name of a network: `n2uqc models` lists them")
    if options.action == "copy":
        _copy(options)
        return 0
    if options.output is not None:
        require_writable(options.output)
    found = reproduce(options.name, options.output, progress=TERMINAL)
    show(found, options)
    return 0 if found.compatible else 1


def _copy(options: argparse.Namespace) -> None:
    from n2uqc.api.errors import UserError
    from n2uqc.api.zoo import shipped_file
    from n2uqc.frontend.write import write_atomically

    if options.output is None:
        raise UserError("copy needs --output")
    content = shipped_file(options.name).read_bytes()
    require_writable(options.output)
    write_atomically(options.output, content)
    tell_written(options.output, options)
