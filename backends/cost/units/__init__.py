"""Hardware units, one file each: formulas that give LUT, FF, DSP and BRAM from widths and lanes."""
