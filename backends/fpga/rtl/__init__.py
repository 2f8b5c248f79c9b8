"""The datapath as synthesizable Verilog."""
