"""What a network costs on an FPGA, dressed with other quantizers and levels.

The thresholds of N2UQ are comparisons and no multiplication. What they cost depends on bits and
technology; the table says so either way.
"""

from __future__ import annotations

import n2uqc
from n2uqc.models import shipped

NETWORKS = ("digits_2bit", "digits_4bit")
TECHNOLOGIES = ("xc7", "ecp5")


def main() -> None:
    """Print LUTs, flip-flops and DSPs of each network in each dress, all at one folding."""
    for technology in TECHNOLOGIES:
        for name in NETWORKS:
            found = n2uqc.cost(shipped.path(name), technology=technology)
            (model,) = found.report.models
            print(f"\n{name} on {technology} (counted from the units that the Verilog is made of)")
            for row in model.alternatives:
                parts = row.cost.resources.values()
                lut, ff, dsp = (sum(part[cell] for part in parts) for cell in ("lut", "ff", "dsp"))
                print(f"  {row.short:24}{lut:>9,} LUT{ff:>9,} FF{dsp:>6} DSP")


if __name__ == "__main__":
    main()
