"""Cost reports: tables for the terminal, a self-contained HTML page, JSON."""

from .data import report, to_json
from .html import write_html
from .rows import Report
from .table import write_report

__all__ = ["Report", "report", "to_json", "write_html", "write_report"]
