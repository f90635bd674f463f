"""A real browser draws every plot, logs nothing and asks the network for nothing."""

import re

import pytest

from tests.report.browser import Visit, chromium, visit
from tests.report.example import example_report
from tqs_edge.report import render_html

pytestmark = pytest.mark.chromium
PLOTS = ("rollout", "error", "tqs", "damage", "bits", "memory")


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def look(browser, tmp_path):
    def look_at(html: str, **options) -> Visit:
        page = tmp_path / "report.html"
        page.write_text(html, encoding="utf-8")
        return visit(browser, page, **options)

    return look_at


def faults(found: Visit) -> list[str]:
    """Everything wrong with a page that ought to show all plots."""
    wrong = [f"console: {text}" for text in found.errors]
    wrong += [f"request: {url}" for url in found.requests]
    for plot in PLOTS:
        figure = found.figures.get(f"plot-{plot}")
        if figure is None:
            wrong.append(f"{plot}: not on the page")
        elif not figure["drawing"] or figure["width"] < 100 or figure["height"] < 60:
            wrong.append(f"{plot}: no drawing")
        elif (figure["marks"] < 3 and plot != "error") or figure["marks"] < 1:
            wrong.append(f"{plot}: {figure['marks']} marks")
        elif figure["clipped"]:
            wrong.append(f"{plot}: {figure['clipped']} elements outside the drawing")
    return wrong


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [420, 1240])
def test_every_plot_is_drawn_without_errors_or_requests(look, dark, width):
    assert faults(look(render_html(example_report()), dark=dark, width=width)) == []


def test_one_feature_one_context_and_one_step_are_drawn_too(look):
    page = render_html(example_report(horizon=1, features=1, contexts=1))
    assert [f for f in faults(look(page)) if not f.startswith("error")] == []


def test_missing_data_is_told_in_words(look):
    found = look(render_html({"board": "mps2-an386", "horizon": 10}))
    assert not found.errors and not found.requests
    for plot in PLOTS:
        figure = found.figures[f"plot-{plot}"]
        assert not figure["drawing"] and len(figure["words"]) > 15


@pytest.mark.parametrize("plot", PLOTS)
def test_a_plot_without_marks_is_found(look, plot):
    whole = render_html(example_report())
    figure = re.search(rf'<figure id="plot-{plot}".*?</figure>', whole, re.DOTALL)
    assert figure is not None
    empty = re.sub(r"<(rect|circle|polyline)[^>]*?(/>|>.*?</\1>)", "", figure[0])
    found = faults(look(whole.replace(figure[0], empty)))
    assert found == [f"{plot}: 0 marks"]


@pytest.mark.parametrize(
    ("broken", "by", "complaint"),
    [
        ('id="plot-tqs"', 'id="plot-other"', "tqs: not on the page"),
        ('<svg viewBox="0 0 540 470"', '<svg hidden style="display: none"', "damage: no drawing"),
        ("</main>", "<script>throw 1</script></main>", "console: "),
        ("</main>", '<img src="https://example.invalid/x.png" alt=""></main>', "console: "),
    ],
)
def test_a_broken_page_is_found(look, broken, by, complaint):
    page = render_html(example_report())
    assert broken in page
    found = faults(look(page.replace(broken, by)))
    assert any(fault.startswith(complaint) for fault in found), found


@pytest.mark.slow
def test_a_request_is_found_when_the_policy_is_taken_away(look):
    page = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render_html(example_report())
    )
    found = look(page.replace("</main>", '<img src="missing.png" alt=""></main>'))
    assert any(url.endswith("missing.png") for url in found.requests)
