"""Models whose 8-bit activations have zero points: every executor gives the same frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CORTEX_M4, CPackage, compile_strictly
from tests.passes.small_models import MODELS, Case, kept_patches, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower, quantize
from tqs_edge.verify.reference import run_reference

HORIZON = 17
QUICK = ("gru", "kept_patches", "window_network", "convolution")


def _emit(case: Case) -> SourceBundle:
    return emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in MODELS],
)
def test_reference_llvm_and_c_agree(name: str, feedback: bool, tmp_path: Path) -> None:
    case = make_case(MODELS[name](), act_bits=8, feedback=feedback, lopsided=-0.3)
    assert not case.model.graph.dense_nodes() or any(
        tensor.zero_point for tensor in case.program.tensors.values()
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


@pytest.mark.parametrize("feedback", [False, True])
def test_kept_rows_begin_at_zero_and_are_saved_and_restored(feedback: bool, tmp_path: Path) -> None:
    case = make_case(kept_patches(), act_bits=8, feedback=feedback, lopsided=-0.3)
    kept = [t for t in (case.program.tensors[s.name] for s in case.program.states) if t.zero_point]
    assert kept
    bundle = _emit(case)
    for tensor in kept:
        assert f"{tensor.name}[i] = {-tensor.zero_point};" in bundle.files["model.c"]
    package = CPackage(bundle, case.model, tmp_path)
    block = case.model.length * case.model.features
    inputs = np.random.default_rng(0).integers(-9000, 9000, (20, block)).astype(np.int16)

    def steps(begin: int, end: int) -> np.ndarray:
        return np.array([package.step(row, None) for row in inputs[begin:end]])

    whole = steps(0, 20)
    package.reset()
    steps(0, 7)
    saved = package.save()
    steps(7, 12)
    assert package.restore(saved) == 0
    assert (steps(7, 20) == whole[7:]).all()
    package.reset()
    assert (steps(0, 20) == whole).all()


@pytest.mark.arm
@pytest.mark.parametrize("feedback", [False, True])
def test_gcc_for_cortex_m4_has_no_warning(feedback: bool, tmp_path: Path) -> None:
    case = make_case(kept_patches(), act_bits=8, feedback=feedback, lopsided=-0.3)
    compile_strictly(["arm-none-eabi-gcc"], CORTEX_M4, _emit(case), tmp_path)
