"""For all tests."""

from hypothesis import settings

# Times say nothing on a loaded machine, and the first example of a property pays for imports.
settings.register_profile("n2uqc", deadline=None)
settings.load_profile("n2uqc")
