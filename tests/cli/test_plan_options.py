"""Pins, block size and Pareto fronts on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Cli
from tqs_edge.artifacts import load
from tqs_edge.pipeline.planning import Scores
from tqs_edge.plan.bit_plan import BitPlan

GRU = "tests.cli.factories:small_gru"
PLAN = ("plan", GRU, "--board", "mps2-an386", "--horizon", "12")
RECORD_KEYS = [
    *("model", "board", "resource", "plan", "on_front", "limit", "flash_bytes", "ram_bytes"),
    *("instructions_per_step", "average_bits", "predicted", "nrmse"),
]


def test_pins_are_kept(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    pins = ("--pin", "head=16", "--pin", "act:h=8")
    outcome = cli(*PLAN, *pins, "--avg-bits", "6", "--act-bits", "16", "-o", file)
    assert outcome.status == 0, outcome.err
    plan = load(file, BitPlan)
    assert {block.bits for block in plan.weights["head.weight"]} == {16}
    assert plan.activations["h"] == 8 and plan.activations["x"] == 16


def test_pins_alone_raise_the_default_budget(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    assert cli(*PLAN, "--pin", "cell=16", "-o", file).status == 0
    assert {b.bits for b in load(file, BitPlan).weights["cell.weight_hh"]} == {16}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--pin", "hed=8"), "no site is called 'hed'; try head"),
        (("--pin", "head=5"), "weight sites take 2, 4, 8, 16 bits"),
        (("--pin", "head"), "is not NAME=BITS"),
        (
            ("--pin", "cell=16", "--avg-bits", "4"),
            "with the pins cell=16; without them a plan fits",
        ),
        (("--json", "front.json"), "--json writes a front"),
        (("--pareto", "flash", "-o", "plan.json"), "-o saves one plan"),
        (("--pareto", "flash", "--plot", "front.png"), "name a file that ends in"),
    ],
)
def test_bad_requests_are_one_clear_line(cli: Cli, words: tuple[str, ...], text: str) -> None:
    outcome = cli(*PLAN, *words)
    assert outcome.status == 2
    assert len(outcome.errors) == 1 and text in outcome.errors[0]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--pin", "hed=8"), "no site is called 'hed'; try head"),
        (("--pin", "head=8", "--uniform", "a16w8"), "decided widths are those of a planned budget"),
        (("--weight-bits", "4", "--uniform", "a16w8"), "decided widths are those of a planned"),
    ],
)
def test_compile_checks_decided_widths_first(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], text: str
) -> None:
    outcome = cli("compile", *PLAN[1:], *words, "-o", tmp_path / "out")
    assert outcome.status == 2 and text in outcome.errors[0]
    assert "score" not in outcome.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("resource", ["flash", "insns", "avg-bits"])
def test_a_front_is_printed_written_and_drawn(cli: Cli, tmp_path: Path, resource: str) -> None:
    file, plot = tmp_path / "front.json", tmp_path / "front.svg"
    words = ("--pareto", resource, "--json", file, "--plot", plot, "--method", "greedy")
    outcome = cli(*PLAN, *words)
    assert outcome.status == 0, outcome.err
    assert "uniform a16w8" in outcome.out
    records = json.loads(file.read_text())
    assert [list(record) for record in records] == [RECORD_KEYS] * len(records)
    assert {record["resource"] for record in records} == {resource.replace("-", "_")}
    front = [record["nrmse"] for record in records if record["on_front"]]
    assert len(front) >= 2 and front == sorted(front, reverse=True)
    ElementTree.fromstring(plot.read_text())


def test_block_rows_set_the_size_of_sites(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "tqs.json"
    words = ("--horizon", "12", "--block-rows", "8", "-o", file)
    assert cli("score", GRU, *words).status == 0
    sites = [score.site.id for score in load(file, Scores).report.sites]
    assert "cell.weight_hh[8:16]" in sites and "cell.weight_hh[0:4]" not in sites
    assert cli("score", GRU, "--block-rows", "0").status == 2
