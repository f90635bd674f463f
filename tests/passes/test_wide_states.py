"""Whole models whose states have 32 bits: every executor gives the same frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CORTEX_M4, CPackage, compile_strictly
from tests.diagonal_models import decays, packed_rotations, rotations, state_is_output
from tests.passes.small_models import MODELS, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower, quantize
from tqs_edge.verify.reference import run_reference

HORIZON = 17
WIDE: dict[str, Callable[[], RolloutModel]] = {
    "decays": decays,
    "state is output": state_is_output,
    "rotations": rotations,
    "packed rotations": packed_rotations,
    **{name: make for name, make in MODELS.items() if make().graph.states},
}


@pytest.mark.parametrize("bits", [32, 16])
@pytest.mark.parametrize("name", WIDE)
def test_reference_llvm_and_c_agree(name: str, bits: int, tmp_path: Path) -> None:
    case = make_case(WIDE[name](), state_bits=bits)
    arguments = (case.program, case.model, case.contexts)
    want = run_reference(*arguments, HORIZON, exog=case.exog).frames
    module = quantize(case.module, case.program)
    got = run_llvm(module, *arguments, horizon=HORIZON, exog=case.exog)
    np.testing.assert_array_equal(got, want)
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, tmp_path)
    for index, context in enumerate(case.contexts):
        exog = None if case.exog is None else case.exog[index]
        np.testing.assert_array_equal(package.rollout(context, HORIZON, exog), want[index])


@pytest.mark.arm
@pytest.mark.parametrize("name", WIDE)
def test_gcc_for_cortex_m4_has_no_warning(name: str, tmp_path: Path) -> None:
    case = make_case(WIDE[name](), state_bits=32)
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    compile_strictly(["arm-none-eabi-gcc"], CORTEX_M4, bundle, tmp_path)


def test_states_take_four_bytes_in_the_state_and_nowhere_else() -> None:
    bundles = {}
    for bits in (16, 32):
        case = make_case(rotations(), state_bits=bits)
        module = lower(case.module, case.program)
        bundles[bits] = emit(module, case.program, case.model, "0123abcd")
    assert bundles[32].state_bytes == 2 * bundles[16].state_bytes
    assert "int32_t re[16]; /* 8 used" in bundles[32].files["model.h"]
    assert "int16_t re[16]; /* 8 used" in bundles[16].files["model.h"]
