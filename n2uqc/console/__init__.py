"""Helpers of the commands: arguments, errors, progress, tables, and files."""
