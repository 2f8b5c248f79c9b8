"""Random damage of inputs, drawn from a `random.Random`."""
