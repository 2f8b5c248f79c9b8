"""Settings for all tests."""

import os

from hypothesis import settings

# Times mean nothing on a loaded machine, and the first example of a property includes imports.
# Continuous integration draws the same examples each time, so that only the change matters; local
# runs and `make fuzz` draw new ones.
settings.register_profile("n2uqc", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("n2uqc")

# The tests run under `make test`, and some of them call make themselves: what a make tells the
# makes below it (its flags, its depth) would change what theirs print.
for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(name, None)
