"""Options for what is computed by several processes."""

from __future__ import annotations

import argparse


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add --workers and --scheduler, of which one may be given."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=0,
        help="processes of a Dask cluster on this machine (0: this process)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler whose workers are taken, such as tcp://host:8786",
    )
