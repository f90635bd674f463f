from __future__ import annotations

import numpy as np
import pytest

from tests.passes.small_models import MODELS, gru, make_case
from tqs_edge.errors import InputError
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import quantize
from tqs_edge.verify.reference import run_reference

HORIZON = 17


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("name", MODELS)
def test_llvm_equals_the_reference(name: str, bits: int) -> None:
    case = make_case(MODELS[name](), act_bits=bits, state_bits=bits)
    arguments = (case.program, case.model, case.contexts)
    want = run_reference(*arguments, HORIZON, exog=case.exog).frames
    module = quantize(case.module, case.program)
    got = run_llvm(module, *arguments, horizon=HORIZON, exog=case.exog)
    assert got.dtype == np.int16
    np.testing.assert_array_equal(got, want)
    assert want.std() > 100, "the rollout is too quiet to show a difference"


def test_contexts_of_the_wrong_width_are_refused() -> None:
    case = make_case(gru())
    with pytest.raises(InputError, match="contexts of shape"):
        run_llvm(case.module, case.program, case.model, case.contexts[:, :, :2], horizon=3)


def test_missing_exogenous_rows_are_refused() -> None:
    case = make_case(MODELS["lstm"]())
    with pytest.raises(InputError, match="exogenous rows"):
        run_llvm(case.module, case.program, case.model, case.contexts, horizon=3)
    with pytest.raises(InputError, match="makes 52 calls"):
        run_llvm(case.module, case.program, case.model, case.contexts, horizon=41, exog=case.exog)
