"""score of models that need not compile: .onnx files, and --backend."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.onnx_models import layouts, save
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
    done = cli("score", onnx_file, "--horizon", 5, *context, "-o", tmp_path / "tqs.json")
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
@pytest.mark.parametrize("verb", [("check",), ("plan", "--board", "mps2-an386")])
def test_other_verbs_say_that_onnx_is_scored_only(cli: Cli, onnx_file: Path, verb) -> None:
    done = cli(verb[0], onnx_file, *verb[1:])
    assert done.status == 2
    assert len(done.errors) == 1 and "compiling it is not supported yet" in done.errors[0]
    assert "`tqs-edge score` takes it" in done.errors[0]


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
