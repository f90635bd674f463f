"""Equal bytes: planned widths against baselines, in integers, on unseen contexts."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tests.bench.conftest import HORIZON
from tqs_edge.bench.case import Case
from tqs_edge.bench.plans import METHODS, Role, check_methods, judge_plans
from tqs_edge.errors import BudgetInfeasible, InputError

KEYS = {
    *("model", "method", "avg_bits", "budget_bytes", "used_bits", "seed"),
    *("nrmse", "valid_horizon"),
}


def test_every_method_keeps_the_budget_and_tqs_halves_the_error_of_uniform(
    small_case: Case,
) -> None:
    records = judge_plans(small_case, averages=(5.0,))
    assert [r.method for r in records] == list(METHODS)
    assert all(set(asdict(record)) == KEYS for record in records)
    assert all(r.used_bits <= 5.0 + 1e-9 and r.budget_bytes == 256 * 5 / 8 for r in records)
    assert all(0 < r.valid_horizon <= HORIZON for r in records)
    error = {r.method: r.nrmse for r in records}
    assert error["tqs"] <= 0.5 * error["uniform"] and error["exact"] <= 0.5 * error["uniform"]


def test_records_come_method_by_method(small_case: Case) -> None:
    seen: list[tuple[int, int]] = []
    records = judge_plans(
        small_case,
        averages=(4.0, 3.0),
        methods=("random", "uniform"),
        progress=lambda done, total: seen.append((done, total)),
    )
    cells = [(r.method, r.avg_bits, r.used_bits) for r in records]
    assert cells == [
        *(("uniform", 4.0, 4.0), ("uniform", 3.0, 2.0)),
        *(("random", 4.0, 4.0), ("random", 3.0, 3.0)),
    ]
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_below_the_narrowest_width_is_refused(small_case: Case, method: str) -> None:
    with pytest.raises(BudgetInfeasible, match=r"1\.5 average weight bits"):
        judge_plans(small_case, averages=(1.5,), methods=(method,))


def test_methods_are_checked_by_name() -> None:
    assert check_methods(("tqs", "uniform")) == ("uniform", "tqs")
    assert check_methods(()) == tuple(METHODS)
    with pytest.raises(InputError, match="no method 'hawq'; use uniform, first-last"):
        check_methods(("hawq",))


def test_baselines_are_what_others_do() -> None:
    found = [name for name, method in METHODS.items() if method.role is Role.BASELINE]
    assert found == ["uniform", "first-last", "weight-mse", "one-step", "hessian", "random"]
