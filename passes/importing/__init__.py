"""Way in: the canonical graph becomes a Program of the real dialect, one sample, channels last."""
