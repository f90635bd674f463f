"""The study's page: every plot drawn, nothing loaded, the same bytes for the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.study_example import example_study, part
from tests.report.browser import chromium, visit
from tqs_edge.bench.plans import METHODS
from tqs_edge.bench.plot_study import style_of
from tqs_edge.bench.study_page import render_study
from tqs_edge.bench.study_summary import summarise

PLOTS = ("plot-study-error", "plot-study-ratio", "plot-study-horizon")


def page() -> str:
    parts = example_study()
    return render_study(parts, summarise(parts))


def test_the_page_holds_all_methods_and_goals() -> None:
    html = page()
    assert html == page()
    assert all(f">{name}<" in html for name in METHODS)
    assert html.count("reached</td>") == 5
    assert "zoo:second&lt;" in html and "zoo:second<" not in html


def test_every_method_has_a_style_of_its_own() -> None:
    assert len({style_of(name) for name in METHODS}) == len(METHODS)


def test_without_uniform_the_ratios_say_what_is_missing() -> None:
    parts = [part("m", 0, {"tqs": [0.5, 0.1]})]
    html = render_study(parts, summarise(parts))
    assert "The ratios need the methods tqs and uniform." in html


@pytest.mark.chromium
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_draws_every_plot_inside_its_frame(tmp_path: Path, dark: bool) -> None:
    file = tmp_path / "study.html"
    file.write_text(page(), encoding="utf-8")
    with chromium() as browser:
        found = visit(browser, file, dark=dark)
    assert not found.errors and not found.requests
    for plot in PLOTS:
        figure = found.figures[plot]
        assert figure["drawing"] and figure["clipped"] == 0
    # 2 models x 9 methods x (2 dots and a line), and 9 lines of the legend
    assert found.figures["plot-study-error"]["marks"] >= 2 * 9 * 3
    assert found.figures["plot-study-ratio"]["marks"] >= 2 * 4 * 2
