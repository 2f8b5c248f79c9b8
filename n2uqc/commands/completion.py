"""Prints the completion script of a shell: commands, options and file names by the Tab key.

The script belongs to this version of n2uqc; print it anew after an update.
"""

from __future__ import annotations

import argparse

from n2uqc.console.output import show_json

HELP = "print a script by which a shell completes commands and options"
SHELLS = ("bash", "zsh", "tcsh")
EXAMPLES = """\
examples:
  n2uqc completion bash > ~/.local/share/bash-completion/completions/n2uqc
  n2uqc completion zsh > ~/.zfunc/_n2uqc                 with ~/.zfunc in fpath before compinit
  source <(n2uqc completion bash)                        for this shell alone
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(options: argparse.Namespace) -> int:
    """Carry out the command."""
    import shtab

    script = shtab.complete(options.whole, shell=options.shell)
    if options.json:
        show_json({"shell": options.shell, "script": script})
    else:
        print(script)
    return 0
