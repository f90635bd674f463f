"""The page says what the report holds, escapes it, and is the same bytes every time."""

import math
import re
from html.parser import HTMLParser

import pytest

from tests.report.example import example_report
from tqs_edge.errors import InputError
from tqs_edge.report import render_html

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Balance(HTMLParser):
    """Fails on a tag that is closed out of turn; collects ids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_same_report_gives_the_same_bytes():
    assert render_html(example_report()) == render_html(example_report())


def test_tags_are_balanced_and_ids_unique():
    parser = Balance()
    parser.feed(render_html(example_report()))
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))


def test_every_drawing_has_a_title_a_description_and_a_role():
    page = render_html(example_report())
    drawings = re.findall(r"<svg[^>]*>", page)
    assert len(drawings) == 6
    assert len(re.findall(r'<svg[^>]*role="img"><title>[^<]+</title><desc>[^<]+</desc>', page)) == 6


def test_every_table_has_a_caption_and_row_heads():
    page = render_html(example_report())
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        assert re.match(r"<table><caption>[^<]+</caption>", table)
        assert '<th scope="row">' in table and '<th scope="col"' in table


def test_page_refers_to_nothing_outside_itself():
    page = render_html(example_report())
    assert not re.search(r"https?://|<script|<link|src=|@import|url\(", page)


def test_names_are_escaped():
    report = example_report()
    report["model"] = "<script>alert(1)</script>"
    report["plan"]['act:<b>"x"'] = {"kind": "activation", "act_bits": 8}
    report["tqs"]['act:<b>"x"'] = {"gain": 9, "rate": 0, "predicted": 1e-3, "measured": 1e-3}
    report["bit_exact"]["<i>"] = False
    page = render_html(report)
    assert "<script" not in page and "<b>" not in page and "<i>" not in page


def test_broken_link_is_the_verdict():
    report = example_report()
    report["bit_exact"]["host = qemu"] = False
    report["mismatches"]["host = qemu"] = "step 3, y[1]: want 5, got 6"
    page = render_html(report)
    assert (
        "✗ Not bit-exact: host = qemu" in page and "✗ differs: step 3, y[1]: want 5, got 6" in page
    )


def test_numbers_that_are_not_finite_leave_the_other_marks_in_place():
    report = example_report()
    report["rollout"]["integer_frames"][0][5][0] = math.nan
    report["rollout"]["nrmse_per_step"][3] = math.inf
    report["rollout"]["nrmse_per_step"][4] = 0.0
    report["tqs"]["act:x"] = {"rate": None, "gain": math.nan, "predicted": 0, "measured": None}
    page = render_html(report)
    assert not re.search(r"[\" ,](nan|inf)[\" ,]", page)
    assert "integer: some values are not finite" in page


def test_sites_with_fewer_bits_than_they_need_say_so():
    report = example_report()
    report["tqs"]["act:h"]["needs"], report["tqs"]["state:h"]["needs"] = 16, 8
    page = render_html(report)
    assert report["plan"]["act:h"]["act_bits"] == 8
    assert f"{report['tqs']['act:h']['gain']:.3g}, needs 16</text>" in page
    assert ", needs &gt; 16</text>" in page
    assert f"{report['tqs']['state:h']['gain']:.3g}</text>" in page


def test_predictability_is_told_and_the_limit_has_a_tile():
    report = example_report()
    page = render_html(report)
    assert report["predictability"]["words"] in page
    assert "Predictable for" in page and "<dd>512<small>" in page
    report["predictability"]["limit_steps"] = None
    assert "Predictable for" not in render_html(report)


def test_exact_rollout_is_told_in_words():
    report = example_report()
    report["rollout"]["nrmse_per_step"] = [0.0] * 120
    assert "The error is zero at every step." in render_html(report)


def test_firmware_over_the_limit_is_marked():
    report = example_report()
    report["flash_limit"] = 8_192
    assert 'class="over"' in render_html(report)
    assert 'class="over"' not in render_html(example_report())


@pytest.mark.parametrize("key", ["board", "horizon"])
def test_report_without_its_subject_is_refused(key):
    report = example_report()
    del report[key]
    with pytest.raises(InputError, match=key):
        render_html(report)
