"""Plots of their own stand alone: any viewer, light and dark, nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.report.browser import chromium, visit
from tests.report.needs_example import SHARE, example_needs
from tqs_edge.errors import InputError
from tqs_edge.report.figure import Figure
from tqs_edge.report.plot_needs import needs_card, needs_figure
from tqs_edge.report.standalone import check_plot_path, standalone_svg, write_plot
from tqs_edge.report.svg import drawing, rect

SVG = drawing(rect(0, 0, 5, 5, "w8"), width=200, height=100, title="T & t", description="d")
EMPTY = Figure("plot-x", "X", "note", None, "Nothing was measured.")


def test_svg_is_well_formed_and_has_its_size() -> None:
    root = ElementTree.fromstring(standalone_svg(SVG, "A < B"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 -40 200 140"
    assert (root.get("width"), root.get("height")) == ("200", "140")
    assert "A < B" in "".join(root.itertext())
    bare = ElementTree.fromstring(standalone_svg(SVG))
    assert bare.get("viewBox") == "0 0 200 100"


def test_svg_carries_every_colour_and_needs_no_variables() -> None:
    text = standalone_svg(SVG)
    assert "var(" not in text and "inherit" not in text
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    for rules in (light, dark):
        assert re.search(r"\.w8 \{ fill: #\w{6}; \}", rules)
    assert re.findall(r"\.w8 \{.*?\}", light) != re.findall(r"\.w8 \{.*?\}", dark)
    assert not re.search(r"(?<!xmlns=\")https?://|<script|@import|url\(", text)


def test_plot_is_written_in_the_format_of_its_name(tmp_path: Path) -> None:
    figure = needs_figure(example_needs(), SHARE)
    write_plot(tmp_path / "a.svg", "Needs", [figure])
    write_plot(tmp_path / "a.HTML", "Needs", [figure, EMPTY], lead="1 < 2", tables=["<p>t</p>"])
    ElementTree.fromstring((tmp_path / "a.svg").read_text())
    page = (tmp_path / "a.HTML").read_text()
    assert "1 &lt; 2" in page and "Nothing was measured." in page and "<p>t</p>" in page


@pytest.mark.parametrize("name", ["a.png", "a", "svg"])
def test_other_endings_are_refused_before_the_work(name: str) -> None:
    with pytest.raises(InputError, match=r"ends in \.svg or \.html"):
        check_plot_path(Path(name))


def test_svg_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Nothing was measured"):
        write_plot(tmp_path / "a.svg", "X", [EMPTY])
    assert not list(tmp_path.iterdir())


def test_needs_are_drawn_and_listed() -> None:
    figure = needs_figure(example_needs(), SHARE)
    assert figure.body is not None
    assert figure.body.count("<circle") == 4 * 4 + 2 * 2
    assert "&gt; 16 bits" in figure.body and "1.0 % for each site" in figure.body
    table = needs_card(example_needs())
    assert "grows 3.11x per 10 steps" in table and "fades to 35 % in 10 steps" in table
    assert "cell.weight_&lt;ih&gt;" in table and "<ih>" not in table + figure.body


def test_needs_beyond_the_drawing_are_counted() -> None:
    figure = needs_figure(example_needs() * 10, SHARE)
    assert "20 less needy ones are left out" in figure.note
    assert needs_figure((), SHARE).body is None


@pytest.mark.chromium
@pytest.mark.parametrize("dark", [False, True])
def test_browser_draws_the_page_and_the_file(tmp_path: Path, dark: bool) -> None:
    figure = needs_figure(example_needs(), SHARE)
    write_plot(tmp_path / "a.html", "Needs", [figure], tables=[needs_card(example_needs())])
    text = standalone_svg(figure.body or "", "Needs")
    (tmp_path / "b.html").write_text(f'<meta charset="utf-8"><figure id="plot-needs">{text}')
    with chromium() as browser:
        for name in ("a.html", "b.html"):
            found = visit(browser, tmp_path / name, dark=dark)
            assert not found.errors and not found.requests
            drawn = found.figures["plot-needs"]
            assert drawn["drawing"] and drawn["marks"] >= 20 and not drawn["clipped"]
