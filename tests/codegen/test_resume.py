"""Save, restore and reset are exact, and instances do not know of each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.codegen.c_package import CPackage, guarded
from tests.passes.small_models import MODELS, Case, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.passes.lower import lower

NAMES = (
    *("gru", "lstm", "delay_line", "kept_rows", "kept_exog", "kept_phases"),
    "kept_averages",
)
OK, NOT_READY, OTHER_MODEL, CORRUPT = 0, 1, 4, 5


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(MODELS[request.param]())


@pytest.fixture(scope="module")
def built(case: Case, tmp_path_factory: pytest.TempPathFactory) -> CPackage:
    assert case.model.form is RolloutForm.RECURRENT
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    return CPackage(bundle, case.model, tmp_path_factory.mktemp("resume"))


@pytest.fixture
def package(built: CPackage) -> CPackage:
    built.power_on()
    return built


def rows(package: CPackage, case: Case, begin: int, count: int) -> Iterator[np.ndarray]:
    """Outputs of the steps begin, begin + 1, ... on fixed inputs, from the state as it is."""
    inputs = np.random.default_rng(0).integers(-9000, 9000, (40, case.model.features))
    for number in range(begin, begin + count):
        exog = None if case.exog is None else case.exog[0, number]
        yield package.step(inputs[number].astype(np.int16), exog)


def test_resuming_equals_never_having_stopped(package: CPackage, case: Case) -> None:
    whole = np.array(list(rows(package, case, 0, 20)))
    package.reset()
    assert (np.array(list(rows(package, case, 0, 7))) == whole[:7]).all()
    saved = package.save()
    list(rows(package, case, 20, 9))  # another rollout in the same memory
    package.instance[:-16] = 0x33  # power off and on
    package.arena[:-16] = 0x5A
    assert package.init() == OK
    assert package.restore(saved) == OK
    assert (np.array(list(rows(package, case, 7, 13))) == whole[7:]).all()


def test_reset_is_the_state_of_a_new_rollout(package: CPackage, case: Case) -> None:
    fresh = package.save()
    first = np.array(list(rows(package, case, 0, 5)))
    package.reset()
    assert (package.save() == fresh).all()
    assert (np.array(list(rows(package, case, 0, 5))) == first).all()


def test_two_instances_do_not_know_of_each_other(package: CPackage, case: Case) -> None:
    alone = np.array(list(rows(package, case, 0, 12)))
    one, other = package.instance, guarded(len(package.instance) - 16)
    outputs = []
    package.reset()
    package.instance = other
    assert package.init() == OK
    for number in range(12):
        package.instance = one
        outputs += rows(package, case, number, 1)
        package.instance = other  # in the same arena
        list(rows(package, case, (7 * number + 3) % 30, 1))
    assert (np.array(outputs) == alone).all()


def test_a_snapshot_with_any_flipped_bit_is_refused(package: CPackage, case: Case) -> None:
    list(rows(package, case, 0, 3))
    saved, states = package.save(), []
    for at in range(8 * len(saved)):
        broken = saved.copy()
        broken[at // 8] ^= 1 << at % 8
        assert package.restore(broken) == (OTHER_MODEL if at < 128 else CORRUPT)
        states.append(package.save())
    assert (np.array(states) == saved).all(), "a refused snapshot changed the state"


def test_nothing_works_before_init(package: CPackage) -> None:
    saved = package.save()
    for garbage in (0x00, 0xA5, 0xFF):
        package.instance[:-16] = garbage
        assert package.call("tqs_model_step", package.instance, saved, None, saved) == NOT_READY
        assert package.call("tqs_model_save", package.instance, saved) == NOT_READY
        assert package.restore(saved) == NOT_READY
