"""Plots as files of their own: an SVG that every viewer can show, or a page of several cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tqs_edge.artifacts import write_text
from tqs_edge.errors import InputError
from tqs_edge.report.document import document, read_style
from tqs_edge.report.figure import Figure
from tqs_edge.report.svg import text

FORMATS = (".svg", ".html")
FONT = 'font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;'
HEADING = 40  # pixels above the drawing
DARK = "@media (prefers-color-scheme: dark)"


def check_plot_path(path: Path | None) -> None:
    """InputError unless the file's ending says what to draw; before any long work."""
    if path is not None and path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot '{path}': name a file that ends in {' or '.join(FORMATS)}")


def write_plot(
    path: Path, title: str, figures: Sequence[Figure], *, lead: str = "", tables: Sequence[str] = ()
) -> None:
    """Writes the first figure as an SVG, or all figures and tables (HTML cards) as one page.

    title and lead are plain text. Raises InputError for another ending, for an SVG of a figure
    that has no data, and where the file cannot be written.
    """
    check_plot_path(path)
    if path.suffix.lower() == ".svg":
        first = figures[0]
        if first.body is None:
            raise InputError(f"nothing to draw in '{path}': {first.absent}")
        write_text(path, standalone_svg(first.body, title))
        return
    header = f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header>'
    write_text(path, document(title, header, [*(f.html() for f in figures), *tables]))


def standalone_svg(svg: str, title: str = "") -> str:
    """A file's text from what `svg.drawing` returned, headed by `title`, for light and dark.

    Colours are written out, for many viewers know neither CSS variables nor media queries; those
    show the light ones.
    """
    match = re.match(r'<svg viewBox="0 0 (\d+) (\d+)"', svg)
    assert match is not None, "not an svg.drawing"
    width, height = int(match[1]), int(match[2])
    top = HEADING if title else 0
    light, dark = (_rules(palette) for palette in _palettes())
    heading = text(12, 12 - top + 12, title, class_="heading") if title else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + top}" '
        f'viewBox="0 {-top} {width} {height + top}"'
    )
    style = f"<style>\n{light}{DARK} {{\n{dark}}}\n</style>"
    ground = f'<rect class="ground" y="{-top}" width="{width}" height="{height + top}"/>'
    attributes, rest = svg[match.end() :].split(">", 1)
    return f"{head}{attributes}>{style}{ground}{heading}{rest}\n"


def _rules(palette: dict[str, str]) -> str:
    rules = read_style("chart.css").replace("font-family: inherit;", FONT)
    return re.sub(r"var\((--[\w-]+)\)", lambda match: palette[match[1]], rules)


def _palettes() -> tuple[dict[str, str], dict[str, str]]:
    """Colours by variable name, light and dark."""
    light, dark = read_style("colours.css").split(DARK)
    first = dict(re.findall(r"(--[\w-]+): (#\w+);", light))
    return first, {**first, **dict(re.findall(r"(--[\w-]+): (#\w+);", dark))}
