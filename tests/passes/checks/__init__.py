"""Checks that hold a program against its network."""
