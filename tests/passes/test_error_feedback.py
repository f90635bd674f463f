"""Models whose 8-bit activations have error feedback: every executor gives the same frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CORTEX_M4, CPackage, compile_strictly
from tests.passes.small_models import MODELS, Case, gru, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower, quantize
from tqs_edge.verify.reference import run_reference

HORIZON = 17
QUICK = ("gru", "lstm", "kept_rows", "window_network", "convolution")


def _emit(case: Case) -> SourceBundle:
    return emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MODELS],
)
def test_reference_llvm_and_c_agree(name: str, tmp_path: Path) -> None:
    case = make_case(MODELS[name](), act_bits=8, feedback=True)
    assert not case.model.graph.dense_nodes() or any(
        state.name.endswith("_rest") for state in case.program.states
    )
    arguments = (case.program, case.model, case.contexts)
    want = run_reference(*arguments, HORIZON, exog=case.exog).frames
    module = quantize(case.module, case.program)
    got = run_llvm(module, *arguments, horizon=HORIZON, exog=case.exog)
    np.testing.assert_array_equal(got, want)
    package = CPackage(_emit(case), case.model, tmp_path)
    for index, context in enumerate(case.contexts):
        exog = None if case.exog is None else case.exog[index]
        np.testing.assert_array_equal(package.rollout(context, HORIZON, exog), want[index])


def test_rests_are_saved_restored_and_reset(tmp_path: Path) -> None:
    case = make_case(gru(), act_bits=8, feedback=True)
    assert case.model.form is RolloutForm.RECURRENT
    package = CPackage(_emit(case), case.model, tmp_path)
    inputs = np.random.default_rng(0).integers(-9000, 9000, (20, case.model.features))

    def steps(begin: int, end: int) -> np.ndarray:
        return np.array([package.step(row.astype(np.int16), None) for row in inputs[begin:end]])

    whole = steps(0, 20)
    package.reset()
    steps(0, 7)
    saved = package.save()
    steps(7, 12)
    assert package.restore(saved) == 0
    assert (steps(7, 20) == whole[7:]).all()
    package.reset()
    assert (steps(0, 20) == whole).all()


def test_a_rest_takes_one_byte_per_element() -> None:
    plain, fed = (_emit(make_case(gru(), act_bits=8, feedback=f)) for f in (False, True))
    padded = 16 + 32 + 32  # x, h and h_next, each to whole 16 elements
    assert fed.state_bytes == plain.state_bytes + padded


@pytest.mark.arm
def test_gcc_for_cortex_m4_has_no_warning(tmp_path: Path) -> None:
    bundle = _emit(make_case(gru(), act_bits=8, feedback=True))
    compile_strictly(["arm-none-eabi-gcc"], CORTEX_M4, bundle, tmp_path)
