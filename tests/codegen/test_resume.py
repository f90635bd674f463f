"""The caller owns the state: copying it saves and restores a rollout exactly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CPackage
from tests.passes.small_models import MODELS, Case, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.passes.lower import lower

NAMES = ("gru", "lstm", "delay_line", "kept_rows")


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(MODELS[request.param]())


@pytest.fixture
def package(case: Case, tmp_path: Path) -> CPackage:
    assert case.model.form is RolloutForm.RECURRENT
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    return CPackage(bundle, case.model, tmp_path)


def rows(package: CPackage, case: Case, begin: int, count: int) -> Iterator[np.ndarray]:
    """Outputs of the steps begin, begin + 1, ... on fixed inputs, from the state as it is."""
    inputs = np.random.default_rng(0).integers(-9000, 9000, (40, case.model.features))
    for number in range(begin, begin + count):
        exog = None if case.exog is None else case.exog[0, number]
        yield package.step(inputs[number].astype(np.int16), exog)


def reset(package: CPackage) -> None:
    package.library.tqs_model_reset(package.pointer(package.state))


def test_resuming_equals_never_having_stopped(package: CPackage, case: Case) -> None:
    reset(package)
    whole = np.array(list(rows(package, case, 0, 20)))
    reset(package)
    assert (np.array(list(rows(package, case, 0, 7))) == whole[:7]).all()
    saved = package.state.copy()
    list(rows(package, case, 20, 9))  # another rollout in the same memory
    package.state[:] = saved
    package.arena[:-16] = 0x5A  # scratch carries nothing from step to step
    assert (np.array(list(rows(package, case, 7, 13))) == whole[7:]).all()


def test_reset_is_the_state_of_a_new_rollout(package: CPackage, case: Case) -> None:
    reset(package)
    fresh = package.state.copy()
    first = np.array(list(rows(package, case, 0, 5)))
    reset(package)
    assert (package.state == fresh).all()
    assert (np.array(list(rows(package, case, 0, 5))) == first).all()


def test_two_instances_do_not_know_of_each_other(package: CPackage, case: Case) -> None:
    reset(package)
    alone = np.array(list(rows(package, case, 0, 12)))
    reset(package)
    one, other = package.state.copy(), package.state.copy()
    outputs = []
    for number in range(12):
        package.state[:] = one
        outputs += rows(package, case, number, 1)
        one[:] = package.state
        package.state[:] = other
        list(rows(package, case, (7 * number + 3) % 30, 1))
        other[:] = package.state
    assert (np.array(outputs) == alone).all()
