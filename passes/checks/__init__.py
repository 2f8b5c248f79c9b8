"""Independent checks of a program against the network it came from."""
