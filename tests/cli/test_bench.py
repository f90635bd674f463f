"""The bench verbs write flat records, or a table of the same."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tqs_edge.cli.study import sources_or_study, sources_or_zoo
from tqs_edge.zoo import STUDY_MODELS

KERNEL_KEYS = [
    *("kernel", "act_bits", "weight_bits", "rows", "depth", "core", "compiler"),
    *("instructions", "macs"),
]
ONE_KERNEL = ("--kernel", "tqs_dense_a8w8", "--core", "cortex-m4", "--compiler", "gcc")
SMALL = ("--model", "zoo:sst-ssm", "--horizon", "20")


@pytest.mark.arm
@pytest.mark.unicorn
def test_kernels(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "kernels.json"
    assert cli("bench", "kernels", *ONE_KERNEL, "--json", file).status == 0
    (record,) = json.loads(file.read_text())
    assert list(record) == KERNEL_KEYS
    shown = cli("bench", "kernels", *ONE_KERNEL)
    assert shown.status == 0 and f"{record['instructions']:,.0f}" in shown.out


@pytest.mark.arm
@pytest.mark.unicorn
def test_models(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    boards = ["mps2-an386", "mps2-an385"]
    words = (*("--plan", "a16w8", "--plan", "tqs5"), *("--board", boards[0], "--board", boards[1]))
    assert cli("bench", "models", *SMALL, *words, "--json", file).status == 0
    records = json.loads(file.read_text())
    assert [(r["plan"], r["board"]) for r in records] == list(product(["a16w8", "tqs5"], boards))
    assert {r["form"] for r in records} == {"recurrent"}


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.unicorn
def test_models_on_a_terminal(cli: Cli) -> None:
    words = ("--plan", "a16w8", "--rounding", "nearest", "--no-stream", "--long", "1500")
    shown = cli("bench", "models", *SMALL, *words)
    assert shown.status == 0
    assert "insns/step" in shown.out and "peak/usual" in shown.out and "1,500" in shown.out
    wrong = cli("bench", "models", *SMALL, "--rounding", "up")
    assert wrong.status == 2 and "no rounding 'up'" in wrong.errors[0]


STUDY = ("bench", "plan", *SMALL, "--bits", "4", "--seeds", "1", "--jobs", "1")
STUDY_KEYS = {"model", "method", "budget_bytes", "seed", "nrmse", "valid_horizon"}


def test_plan(cli: Cli, tmp_path: Path) -> None:
    file, folder = tmp_path / "plan.json", tmp_path / "study"
    words = ("--method", "uniform", "--method", "tqs", "--method", "hessian", "-o", folder)
    told = cli(*STUDY, *words)
    assert told.status == 0 and "zoo:sst-ssm" in told.out and "of 1 cells" in told.out
    assert "zoo:sst-ssm seed 0: 1 of 1" in told.err
    assert (folder / "study.html").read_text().startswith("<!DOCTYPE html>")
    assert len(json.loads((folder / "summary.json").read_text())["goals"]) == 5
    quiet = cli(*STUDY, *words, "--json", file)
    assert quiet.status == 0 and "Spearman" not in quiet.out
    records = json.loads(file.read_text())
    assert [r["method"] for r in records] == ["uniform", "hessian", "tqs"]
    assert all(STUDY_KEYS <= r.keys() for r in records)
    assert json.loads((folder / "records.json").read_text()) == records


def test_the_study_is_of_its_own_part_of_the_zoo_unless_models_are_named() -> None:
    assert sources_or_study(None) == [f"zoo:{name}" for name in STUDY_MODELS]
    assert set(sources_or_study(None)) < set(sources_or_zoo(None))
    assert sources_or_study(["a.pt2"]) == sources_or_zoo(["a.pt2"]) == ["a.pt2"]


def test_unknown_methods_are_refused(cli: Cli) -> None:
    outcome = cli(*STUDY, "--method", "hawq")
    assert outcome.status == 2 and "no method 'hawq'; use uniform" in outcome.errors[0]


@pytest.mark.arm
@pytest.mark.unicorn
def test_score(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "score.json"
    words = ("--probes", "2", "--compiler", "gcc", "--json", file)
    assert cli("bench", "score", *SMALL, *words).status == 0
    (record,) = json.loads(file.read_text())
    assert record["model"] == "zoo:sst-ssm" and record["total_seconds"] > 0


def test_bad_bits_are_one_clear_line(cli: Cli) -> None:
    outcome = cli("bench", "plan", "--bits", "four")
    assert outcome.status == 2 and outcome.errors == [
        "error: --bits 'four' is not a list of numbers; write 3,4,5"
    ]


def test_unknown_kernel_is_refused(cli: Cli) -> None:
    outcome = cli("bench", "kernels", "--kernel", "fastest")
    assert outcome.status == 2 and "known: tqs_dense_a8w2" in outcome.errors[0]
