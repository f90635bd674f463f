"""The report of one compilation as a single HTML page."""

from tqs_edge.report.page import render_html

__all__ = ["render_html"]
