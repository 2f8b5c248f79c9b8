"""An option that prints a complete file, to edit, and leaves."""

from __future__ import annotations

import argparse
from typing import Any


class PrintExample(argparse.Action):
    """The option.

    Args:
        text: what is printed.
    """

    def __init__(self, option_strings: Any, dest: str, text: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)
        self.text = text

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(self.text, end="", flush=True)
        parser.exit()
