"""Checks of a program against the network that it was compiled from, independent of the passes."""
