"""Rewrites that lose nothing: layers in integers, and comparison tables from exact arithmetic."""
