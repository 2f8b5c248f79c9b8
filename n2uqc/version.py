"""The version, which artifacts and certificates state."""

__version__ = "0.1.0"
