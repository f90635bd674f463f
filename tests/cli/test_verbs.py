"""Every verb does its job and its output feeds the next one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tqs_edge
from tests.cli import factories
from tests.cli.conftest import Cli
from tests.cli.test_errors import hide_tools

GRU = "tests.cli.factories:small_gru"
SHORT = ("--horizon", "16")
M4 = ("--board", "mps2-an386")


@pytest.mark.unicorn
@pytest.mark.qemu
@pytest.mark.arm
def test_score_plan_compile_simulate_verify(cli: Cli, tmp_path: Path) -> None:
    scores, plan, out = tmp_path / "tqs.json", tmp_path / "plan.json", tmp_path / "out"
    scored = cli("score", GRU, *SHORT, "--exact", "-o", scores)
    assert scored.status == 0 and "head.weight[0:2]" in scored.out, scored.err
    assert "Rank correlation" in scored.out
    planned = cli(*("plan", GRU, *M4, *SHORT, "--avg-bits", "5", "--scores", scores, "-o", plan))
    assert planned.status == 0 and "What binds" in planned.out, planned.err
    compiled = cli("compile", GRU, *M4, *SHORT, "--plan", plan, "-o", out)
    assert compiled.status == 0 and "Bit-exact: all" in compiled.out, compiled.err
    report = json.loads((out / "report.json").read_text())
    assert report["average_weight_bits"] <= 5.0
    frames = tmp_path / "frames.npy"
    simulated = cli("simulate", out, "--runner", "qemu", "-o", frames)
    assert simulated.status == 0 and "instructions per step" in simulated.out, simulated.err
    assert np.load(frames).shape == (16, 16, 2)
    verified = cli("verify", out, "--runner", "unicorn")
    assert verified.status == 0 and "llvm" in verified.out, verified.err
    flashed = cli("flash", out, "--dry-run")
    assert flashed.status == 2 and "cannot be flashed; give a --tool" in flashed.errors[0]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, inputs = factories.small_gru()
    output = tmp_path_factory.mktemp("verbs") / "out"
    options = {"board": "mps2-an386", "uniform": "a16w8", "horizon": 16, "runner": "host"}
    options |= {"rounding": "nearest"}
    tqs_edge.compile(model, example_inputs=inputs, output=output, **options)
    return output


@pytest.mark.arm
def test_simulation_from_given_contexts(cli: Cli, package: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.zeros((3, 4, 2), np.float32))
    outcome = cli(
        *("simulate", package, "--runner", "host", "--context", tmp_path / "c.npy"),
        *("--horizon", "9", "-o", tmp_path / "f.npy"),
    )
    assert outcome.status == 0, outcome.err
    frames = np.load(tmp_path / "f.npy")
    assert frames.shape == (3, 9, 2) and (frames[0] == frames[1]).all()


@pytest.mark.arm
def test_missing_simulator_names_what_to_install(
    cli: Cli, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_tools(monkeypatch, "unicorn")
    outcome = cli("simulate", package)
    assert outcome.status == 3 and "pip install unicorn" in outcome.errors[0]
    outcome = cli("simulate", package, "--runner", "qemu")
    assert outcome.status == 3 and "qemu-system-arm" in outcome.errors[0]


def test_check_lists_all_obstacles_at_once(cli: Cli) -> None:
    assert cli("check", GRU).out.strip() == f"{GRU}: can be compiled"
    outcome = cli("check", "tests.cli.factories:unsupported")
    assert outcome.status == 2 and len(outcome.errors) == 2
    assert "'sort'" in outcome.err and "'round'" in outcome.err


def test_listings_write_flat_records(cli: Cli, tmp_path: Path) -> None:
    for verb, key in (("boards", "board"), ("models", "model"), ("doctor", "tool")):
        path = tmp_path / f"{verb}.json"
        assert cli(verb, "--json", path).status == 0
        records = json.loads(path.read_text())
        assert len(records) > 2 and all(key in record for record in records)
        assert not any(isinstance(v, dict) for record in records for v in record.values())


def test_version_and_help(cli: Cli) -> None:
    assert cli("--version").out.strip() == f"tqs-edge {tqs_edge.__version__}"
    helped = cli("--help")
    assert helped.status == 0 and "simulate" in helped.out


def test_boards_are_filtered_and_a_new_one_is_found(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def names(*options: str) -> list[str]:
        assert cli("boards", *options, "--json", tmp_path / "boards.json").status == 0
        return [record["board"] for record in json.loads((tmp_path / "boards.json").read_text())]

    assert names("--core", "cortex-m7", "--min-ram", "200K") == ["mps2-an500", "stm32f746g-disco"]
    assert names("--maker", "raspberry pi", "--core", "cortex-m33") == ["raspberry-pi-pico-2"]
    assert "nucleo-h743zi" not in names("--simulator", "qemu")
    written = cli("boards", "new", "mine", "--like", "microbit-v2")
    assert written.status == 0 and "tqs-boards/mine.toml" in written.out, written.err
    assert names("--core", "cortex-m4", "--maker", "BBC") == ["microbit-v2", "mine"]
    assert cli("boards", "new", "mine").status == 2
    outcome = cli("boards", "--core", "m7")
    assert outcome.status == 2 and "known: cortex-a53" in outcome.errors[0]


def test_the_facts_of_a_board_are_shown_with_their_files(cli: Cli, tmp_path: Path) -> None:
    shown = cli("boards", "show", "hifive1-revb")
    assert shown.status == 0 and "unconfirmed" in shown.out
    assert "freedom-e-sdk bsp/sifive-hifive1-revb/design.dts" in shown.out
    assert cli("boards", "show", "microbit", "--json", tmp_path / "facts.json").status == 0
    records = json.loads((tmp_path / "facts.json").read_text())
    assert {record["kind"] for record in records} == {"fact", "file"}
    assert cli("boards", "show", "nothing").status == 2
