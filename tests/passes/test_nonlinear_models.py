"""Models with nonlinear operations: every executor agrees, and the rollout follows float."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.codegen.c_package import CORTEX_M4, CPackage, compile_strictly
from tests.graphs import gru_contexts
from tests.passes.nonlinear_models import NONLINEAR_MODELS
from tests.passes.small_models import Case, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.nonlinear_ops import TableOp
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower, lower_program, quantize
from tqs_edge.verify.reference import run_reference

HORIZON = 17
MODELS = pytest.mark.parametrize("name", NONLINEAR_MODELS)
FLAGS = {
    "m0": ["-mcpu=cortex-m0plus", "-mthumb", "-ffreestanding"],
    "m4": CORTEX_M4,
}


def emit_program(program: IntegerProgram, model: RolloutModel) -> SourceBundle:
    return emit(lower_program(program), program, model, "0123abcd")


def emitted(case: Case) -> SourceBundle:
    return emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@MODELS
@pytest.mark.parametrize("bits", [16, 8])
def test_all_executors_agree(name: str, bits: int, tmp_path: Path) -> None:
    case = make_case(NONLINEAR_MODELS[name](), act_bits=bits, state_bits=bits)
    arguments = (case.program, case.model, case.contexts)
    want = run_reference(*arguments, HORIZON).frames
    module = quantize(case.module, case.program)
    np.testing.assert_array_equal(run_llvm(module, *arguments, horizon=HORIZON), want)
    package = CPackage(emitted(case), case.model, tmp_path)
    for index, context in enumerate(case.contexts):
        np.testing.assert_array_equal(package.rollout(context, HORIZON), want[index])
    assert want.std() > 100, "the rollout is too quiet to show a difference"


@MODELS
def test_the_rollout_follows_the_float_model(name: str) -> None:
    model = NONLINEAR_MODELS[name]()
    case = make_case(model, widths=(16,))
    run = run_reference(case.program, model, case.contexts, HORIZON)
    with torch.no_grad():
        contexts = torch.from_numpy(gru_contexts(model, 3))
        want = rollout(model, contexts, HORIZON).numpy()
    error = run.frames * case.program.tensors["x"].scale - want
    assert np.sqrt((error**2).mean()) < 2e-3 * want.std()
    assert not run.saturations


@pytest.mark.arm
@MODELS
@pytest.mark.parametrize("core", FLAGS)
def test_gcc_for_cortex_m_has_no_warning(name: str, core: str, tmp_path: Path) -> None:
    bundle = emitted(make_case(NONLINEAR_MODELS[name]()))
    compile_strictly(["arm-none-eabi-gcc"], FLAGS[core], bundle, tmp_path)


def test_equal_tables_are_stored_once() -> None:
    case = make_case(NONLINEAR_MODELS["oscillator"]())
    first = next(op for op in case.program.ops if isinstance(op, TableOp))
    ops = tuple(
        replace(op, function=first.function, knots=first.knots) if isinstance(op, TableOp) else op
        for op in case.program.ops
    )
    once = emit_program(replace(case.program, ops=ops), case.model)
    tables = [b.files["model_weights.h"].count("int16_t") for b in (once, emitted(case))]
    assert tables[1] - tables[0] == 1


def test_only_the_headers_and_kernels_that_are_called_come_along() -> None:
    bundle = emitted(make_case(NONLINEAR_MODELS["attention"]()))
    nonlinear = {k for k in bundle.kernels if "dense" not in k}
    assert nonlinear == {"tqs_softmax_s16.c", "tqs_normalize_s16.c", "tqs_matmul_s16.c"}
    source = bundle.files["model.c"]
    assert '#include "tqs_rows.h"\n' in source and '#include "tqs_table.h"\n' in source
    assert "tqs_power.h" not in source
