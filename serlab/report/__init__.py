"""Rows → tables in five formats, a terminal summary, and figures."""

from serlab.report.export import FORMATS, caption_of, write_tables
from serlab.report.tables import NAMES, build_tables, paired_lines, paired_table
from serlab.report.terminal import terminal_tables

__all__ = [
    "FORMATS",
    "NAMES",
    "build_tables",
    "caption_of",
    "paired_lines",
    "paired_table",
    "terminal_tables",
    "write_tables",
]
