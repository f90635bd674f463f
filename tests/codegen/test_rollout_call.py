"""tqs_model_rollout of a model that takes several rows per call."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.codegen.c_package import CPackage
from tests.passes.small_models import MODELS, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.passes.lower import lower

HORIZON = 9


@pytest.mark.parametrize("context_rows", [3, 9, 10, 11])
def test_rows_that_fill_no_call_are_left_out(
    context_rows: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = make_case(MODELS["kept_exog_blocks"]())
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, tmp_path_factory.mktemp("rollout"))
    context, block = case.contexts[0, -context_rows:], case.model.block
    taken = context[context_rows % block :]
    exog = np.ascontiguousarray(case.exog[0, : calls_of(case.model, len(taken), HORIZON)])
    want = package.rollout(taken, HORIZON, exog)
    package.reset()
    rows = np.concatenate([context, np.zeros((HORIZON, case.model.features), np.int16)])
    status = package.library.tqs_model_rollout(
        package.pointer(package.instance),
        package.pointer(rows),
        ctypes.c_int32(context_rows),
        ctypes.c_int32(HORIZON),
        package.pointer(exog),
    )
    assert status == 0
    np.testing.assert_array_equal(rows[context_rows:], want)
    np.testing.assert_array_equal(rows[:context_rows], context)
