"""Area of the datapath's engines: closed formulas, calibrated against synthesis.

structure.py     what an engine is made of, counted from widths and folding: the terms
model.py         terms times fitted coefficients: LUT, FF, DSP, block RAM; the cheaper of two forms
grid.py          engines drawn at random
measurements.py  what synthesis made of them, as ../measure.py recorded it
fit.py           fits the coefficients to that
"""

from .model import FAMILIES, Area, area, best_form

__all__ = ["FAMILIES", "Area", "area", "best_form"]
