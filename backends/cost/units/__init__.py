"""Hardware units, one file each: closed formulas from widths and lanes to LUT, FF, DSP, BRAM."""
