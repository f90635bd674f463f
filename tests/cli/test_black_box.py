"""score of models that need not compile: .onnx files, and --backend."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.backends.onnx_models import layouts, model, node, random, save
from tests.cli.conftest import Cli
from tqs_edge.artifacts import load
from tqs_edge.pipeline.planning import Scores

HERE = "tests.cli.factories"


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return save(layouts("n"), tmp_path / "m.onnx")


@pytest.mark.onnx
def test_an_onnx_file_is_scored_and_saved(cli: Cli, onnx_file: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((4, 6, 2)).astype(np.float32)
    np.save(tmp_path / "c.npy", values)
    context = ("--context", tmp_path / "c.npy")
    runtime = ("--backend", "onnxruntime")
    done = cli("score", onnx_file, "--horizon", 5, *context, *runtime, "-o", tmp_path / "tqs.json")
    assert done.status == 0 and not done.errors
    assert "W[0:3]" in done.out and "state:h" in done.out
    saved = load(tmp_path / "tqs.json", Scores)
    assert saved.report.model == "m.onnx" and saved.table is None
    assert [s.site.id for s in saved.report.sites] == [
        "W[0:3]",
        "V[0:3]",
        "G[0:2]",
        "T[0:2]",
        "act:x",
        "state:h",
    ]


@pytest.mark.onnx
def test_an_onnx_file_that_compiles_is_scored_at_every_tensor(cli: Cli, onnx_file: Path) -> None:
    assert cli("check", onnx_file).status == 0
    done = cli("score", onnx_file, "--horizon", 5)
    assert done.status == 0 and not done.errors
    assert "W.T[0:3]" in done.out and "T[0:2]" in done.out and "Scored as" not in done.out


@pytest.mark.onnx
def test_an_onnx_file_that_does_not_compile_is_scored_with_a_note(cli: Cli, tmp_path: Path) -> None:
    nodes = [node("MatMul", "x W", "a"), node("Hardmax", "a", "y")]
    weights = {"W": random(2, 2)}
    path = save(model(nodes, {"x": [1, 2]}, {"y": [1, 2]}, weights), tmp_path / "m.onnx")
    done = cli("check", path)
    assert done.status == 2 and len(done.errors) == 1 and "'Hardmax'" in done.errors[0]
    done = cli("score", path, "--horizon", 5)
    assert done.status == 0 and not done.errors
    assert "W[0:2]" in done.out
    assert "Scored as a black box, since it does not compile: layer 'y'" in done.out
    assert cli("score", path, "--backend", "graph").status == 2
    assert cli("plan", path, "--board", "mps2-an386").status == 2


@pytest.mark.onnx
def test_an_old_opset_is_scored_with_a_note(cli: Cli, tmp_path: Path) -> None:
    made = layouts()
    made.opset_import[0].version = 12
    done = cli("score", save(made, tmp_path / "m.onnx"), "--horizon", 5)
    assert done.status == 0 and not done.errors
    assert "since it does not compile: 'm.onnx' has opset 12" in done.out


@pytest.mark.slow
@pytest.mark.arm
@pytest.mark.onnx
def test_an_onnx_file_goes_the_whole_way(cli: Cli, onnx_file: Path, tmp_path: Path) -> None:
    short, out = ("--horizon", 8), tmp_path / "out"
    board = ("--board", "mps2-an386")
    assert cli("plan", onnx_file, *board, *short, "--avg-bits", 5).status == 0
    compiled = cli("compile", onnx_file, *board, *short, "--uniform", "a16w8", "-o", out)
    assert compiled.status == 0 and "Bit-exact: all" in compiled.out, compiled.err
    assert cli("verify", out, "--runner", "host").status == 0
    frames = tmp_path / "f.npy"
    assert cli("simulate", out, "--runner", "host", "-o", frames).status == 0
    assert np.load(frames).shape[1:] == (8, 2)


@pytest.mark.onnx
def test_a_damaged_onnx_file_is_one_clear_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    done = cli("check", tmp_path / "m.onnx")
    assert done.status == 2 and len(done.errors) == 1 and "export it again" in done.errors[0]


def test_without_the_package_an_onnx_file_says_what_to_install(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    for verb in ("check", "score"):
        done = cli(verb, tmp_path / "m.onnx")
        assert done.status == 3 and len(done.errors) == 1
        assert "pip install 'tqs-edge[onnx]'" in done.errors[0]


@pytest.mark.parametrize("backend", ["torch", "tvm"])
def test_an_unsupported_model_is_scored_by_a_black_box(cli: Cli, backend: str) -> None:
    model = f"{HERE}:unsupported"
    assert cli("score", model).status == 2
    done = cli("score", model, "--backend", backend, "--horizon", 6)
    assert done.status == 0 and not done.errors
    assert "weight" in done.out


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("none.onnx",), "'none.onnx' does not exist"),
        (("none.onnx", "--backend", "tvm"), "drop --backend tvm"),
        ((f"{HERE}:small_gru", "--backend", "onnxruntime"), "runs an .onnx file"),
        ((f"{HERE}:small_gru", "--backend", "torch", "--device", "none"), "no device 'none'"),
        ((f"{HERE}:small_gru", "--backend", "torch", "--exact"), "--exact"),
        ((f"{HERE}:small_gru", "--backend", "abacus"), "abacus"),
    ],
)
@pytest.mark.onnx
def test_what_does_not_go_together_is_one_clear_line(cli: Cli, words, cause: str) -> None:
    done = cli("score", *words)
    assert done.status == 2
    assert len(done.errors) == 1 and cause in done.errors[0]
