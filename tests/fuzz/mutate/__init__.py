"""Damage, drawn from a `random.Random`."""
