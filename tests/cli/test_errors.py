"""Bad input: one clear line, exit status 2 (3 for a missing tool), nothing left behind."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Cli

HERE = "tests.cli.factories"
GRU = f"{HERE}:small_gru"
M4 = ("--board", "mps2-an386")
COMPILE = ("compile", GRU, *M4, "-o")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


Case = tuple[Callable[[Path], list[object]], str]
NAN = np.full((2, 6, 2), 0.1, np.float32)
NAN[1, 3, 0] = np.nan

CASES: dict[str, Case] = {
    "no such file": (lambda d: ["check", d / "none.pt2"], "does not exist"),
    "no such model": (lambda d: ["check", "nonsense"], "name a .pt2 file"),
    "no such zoo model": (lambda d: ["score", "zoo:none"], "choose one of"),
    "no such module": (lambda d: ["check", "nowhere.at_all:f"], "no module named"),
    "no such factory": (lambda d: ["check", f"{HERE}:none"], "none"),
    "text file": (lambda d: ["check", write(d / "m.pt2", b"hello")], "m.pt2"),
    "directory": (lambda d: ["check", d], ""),
    "plain pickle": (lambda d: ["check", write(d / "m.pt2", pickle.dumps({"a": 1}))], "m.pt2"),
    "unsupported op": (
        lambda d: ["compile", f"{HERE}:unsupported", *M4, "-o", d / "o"],
        "not supported",
    ),
    "NaN in the weights": (
        lambda d: ["compile", f"{HERE}:nan_weights", *M4, "-o", d / "o"],
        "hidden.weight",
    ),
    "exploding rollout": (
        lambda d: ["compile", f"{HERE}:exploding", *M4, "-o", d / "o"],
        "--",
    ),
    "wrong context shape": (
        lambda d: [
            *("compile", GRU, *M4, "-o", d / "o", "--context"),
            saved(d / "c.npy", np.zeros((4, 6, 3), np.float32)),
        ],
        "c.npy",
    ),
    "NaN in the contexts": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--context", saved(d / "c.npy", NAN)],
        "row 3",
    ),
    "missing contexts": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--context", d / "c.npy"],
        "does not exist",
    ),
    "exog for a model without": (
        lambda d: ["score", GRU, "--exog", saved(d / "e.npy", np.zeros((9, 1)))],
        "--context",
    ),
    "no exog for a model with": (lambda d: ["score", f"{HERE}:driven"], "exog"),
    "rollout that overflows": (lambda d: ["score", f"{HERE}:exploding"], "NaN or infinity"),
    "output that never changes": (
        lambda d: ["score", f"{HERE}:constant", "--horizon", "9"],
        "output feature 1 does not vary",
    ),
    "too few contexts": (
        lambda d: ["score", GRU, "--context", saved(d / "c.npy", np.zeros((1, 6, 2), np.float32))],
        "at least 2 contexts",
    ),
    "contexts too short": (
        lambda d: [
            *("plan", f"{HERE}:window", *M4, "--context"),
            saved(d / "c.npy", np.zeros((4, 2, 2), np.float32)),
        ],
        "too short",
    ),
    "tolerance of nothing": (lambda d: ["score", GRU, "--tolerance", "0"], "not above zero"),
    "plot of no kind": (lambda d: ["score", GRU, "--plot", d / "s.png"], "ends in .svg or .html"),
    "plot of a plan of no kind": (
        lambda d: ["plan", GRU, *M4, "--plot", d / "plan"],
        "ends in .svg or .html",
    ),
    "plan below the least": (
        lambda d: ["plan", GRU, *M4, "--horizon", "9", "--avg-bits", "1.5"],
        "least that works is 2",
    ),
    "plan below the least of two": (
        lambda d: ["plan", GRU, *M4, "--horizon", "9", "--flash", "500", "--ram", "20"],
        "no plan",
    ),
    "plan within nothing": (
        lambda d: ["plan", GRU, *M4, "--horizon", "9", "--avg-bits", "0"],
        "not above zero",
    ),
    "scores that are none": (
        lambda d: ["plan", GRU, *M4, "--scores", write(d / "s.json", b"{}")],
        "make it anew",
    ),
    "unknown board": (lambda d: ["compile", GRU, "--board", "nope", "-o", d / "o"], "known:"),
    "impossible flash": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--flash", "100"],
        "least that works",
    ),
    "impossible average": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--avg-bits", "1"],
        "least that works",
    ),
    "not a size": (lambda d: ["compile", GRU, *M4, "-o", d / "o", "--flash", "24Q"], "24K"),
    "not a width code": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--uniform", "a7w3"],
        "a8w8",
    ),
    "target and widths": (
        lambda d: [*COMPILE, d / "o", "--uniform", "a8w8", "--max-nrmse", "0.01"],
        "a target of error chooses the widths",
    ),
    "target that is none": (
        lambda d: [*COMPILE, d / "o", "--max-nrmse", "1"],
        "give a part of one, as 0.01 for 1 %",
    ),
    "nothing to minimize": (
        lambda d: [*COMPILE, d / "o", "--minimize", "insns"],
        "what --max-nrmse spends least of",
    ),
    "minimize what has no front": (
        lambda d: [*COMPILE, d / "o", "--max-nrmse", "0.1", "--minimize", "ram"],
        "no plan is made for little 'ram'",
    ),
    "two plans": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--uniform", "a8w8", "--avg-bits", "4"],
        "only one",
    ),
    "plan that is none": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--plan", write(d / "p.json", b"{}")],
        "make it anew",
    ),
    "unknown method": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--method", "magic"],
        "use one of",
    ),
    "unknown compiler": (
        lambda d: ["compile", GRU, *M4, "-o", d / "o", "--compiler", "tcc"],
        "known:",
    ),
    "horizon of nothing": (lambda d: ["score", GRU, "--horizon", "0"], "--horizon"),
    "horizon beyond the memory": (
        lambda d: ["score", GRU, "--horizon", "100000000000"],
        "shorten --horizon",
    ),
    "horizon beyond the memory of a plan": (
        lambda d: ["plan", "zoo:sst-ssm", *M4, "--horizon", "100000000000"],
        "shorten --horizon",
    ),
    "unknown verb": (lambda d: ["scor"], "score"),
    "not a package": (lambda d: ["verify", d], "compile"),
    "output is a file": (
        lambda d: ["compile", GRU, *M4, "-o", write(d / "o.txt", b"mine")],
        "choose another",
    ),
    "output holds other things": (
        lambda d: ["compile", GRU, *M4, "-o", write(d / "x", b"mine").parent],
        "choose another",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_names_cause_and_fix(name: str, cli: Cli, tmp_path: Path) -> None:
    words, expected = CASES[name]
    arguments = words(tmp_path)
    before = sorted(os.listdir(tmp_path))
    outcome = cli(*arguments)
    assert outcome.status == 2, outcome.err
    assert len(outcome.errors) == 1 and expected in outcome.errors[0], outcome.err
    assert "Traceback" not in outcome.err and "internal error" not in outcome.err
    assert sorted(os.listdir(tmp_path)) == before


def test_unwritable_output_is_named(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "file", b"")
    outcome = cli("compile", GRU, *M4, "-o", tmp_path / "file" / "inside")
    assert outcome.status == 2 and "cannot write" in outcome.errors[0]


def hide_tools(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Empties PATH and makes Python packages look absent."""
    find = importlib.util.find_spec
    monkeypatch.setattr(shutil, "which", lambda name, *rest, **named: None)
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in modules else find(name, *rest),
    )


def test_missing_compiler_names_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_tools(monkeypatch, "ziglang")
    outcome = cli("compile", GRU, *M4, "-o", tmp_path / "o")
    assert outcome.status == 3 and "pip install ziglang" in outcome.errors[0]
    assert not os.listdir(tmp_path)


def test_debug_shows_the_traceback(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("score", tmp_path / "none.pt2", "--debug")
    assert outcome.status == 2 and "Traceback" in outcome.err
