"""Cost reports: tables for the terminal, a self-contained HTML page, JSON."""

from .data import report, to_json
from .html import write_html
from .rows import Report
from .table import render_table

__all__ = ["Report", "render_table", "report", "to_json", "write_html"]
