"""Exact rewrites: layers on integers, and comparison tables from exact arithmetic."""
