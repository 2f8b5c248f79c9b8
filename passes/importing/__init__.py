"""Import: from the canonical graph to a Program of the real dialect, for one sample,
channels last.
"""
