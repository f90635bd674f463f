from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CORTEX_M4, CPackage, compile_strictly
from tests.graphs import linear_map
from tests.passes.small_models import MODELS, Case, gru, make_case, mixed_plan
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.integer.build import build_program
from tqs_edge.passes.lower import lower
from tqs_edge.verify.reference import run_reference

HORIZON = 17


def _emit(case: Case) -> SourceBundle:
    return emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@pytest.mark.parametrize("widths", [(8, 4, 2), (16, 8)])
@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("name", MODELS)
def test_emitted_c_equals_the_reference(
    name: str, bits: int, widths: tuple[int, ...], tmp_path: Path
) -> None:
    case = make_case(MODELS[name](), act_bits=bits, state_bits=bits, widths=widths)
    want = run_reference(case.program, case.model, case.contexts, HORIZON, exog=case.exog).frames
    package = CPackage(_emit(case), case.model, tmp_path)
    for index, context in enumerate(case.contexts):
        exog = None if case.exog is None else case.exog[index]
        np.testing.assert_array_equal(package.rollout(context, HORIZON, exog), want[index])


@pytest.mark.parametrize("name", MODELS)
def test_emitting_twice_gives_the_same_bytes(name: str) -> None:
    assert _emit(make_case(MODELS[name]())) == _emit(make_case(MODELS[name]()))


@pytest.mark.arm
@pytest.mark.parametrize("name", MODELS)
def test_gcc_for_cortex_m4_has_no_warning(name: str, tmp_path: Path) -> None:
    compile_strictly(["arm-none-eabi-gcc"], CORTEX_M4, _emit(make_case(MODELS[name]())), tmp_path)


@pytest.mark.zig
@pytest.mark.parametrize("name", MODELS)
def test_clang_for_cortex_m0_has_no_warning(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "zig"))
    compiler = [sys.executable, "-m", "ziglang", "cc"]
    flags = ["-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"]
    compile_strictly(compiler, flags, _emit(make_case(MODELS[name]())), tmp_path)


def test_kernels_are_the_files_that_are_called() -> None:
    assert _emit(make_case(gru(), widths=(8, 2))).kernels == (
        "tqs_dense_a16w2.c",
        "tqs_dense_a16w8.c",
        "tqs_tanh_table.c",
    )


def test_sizes_are_those_of_the_arrays() -> None:
    bundle = _emit(make_case(gru(), widths=(8,)))
    rows, words = 96 + 96 + 4, 96 * 1 + 96 * 8 + 4 * 8
    assert bundle.weight_bytes == 32 + 4 * words + 8 * rows
    assert bundle.state_bytes == 64
    assert f"#define TQS_MODEL_ARENA_BYTES {bundle.arena_bytes} /" in bundle.files["model.h"]


def test_rows_of_a_layer_used_twice_are_stored_once() -> None:
    files = _emit(make_case(MODELS["midpoint"](), widths=(8,))).files
    assert files["model_weights.h"].count("_weights_0[") == 1
    assert files["model.c"].count("w->early_weights_0") == 2


def test_no_line_of_code_is_longer_than_100_columns() -> None:
    files = _emit(make_case(MODELS["lstm"]())).files
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100


def test_package_of_a_small_model(golden) -> None:
    model = linear_map(np.array([[0.9, -0.2], [0.2, 0.9]]))
    case = make_case(model)
    plan = mixed_plan(model.graph, 16, 16, (8,))
    contexts = np.ones((1, 3, 2), np.float32)
    program = build_program(model.graph, plan, observe_ranges(model, contexts, 4))
    for name, text in _emit(replace(case, program=program)).files.items():
        golden(f"linear_map/{name}", text)
