"""Fits are begun anew where integers err by much, and the best one counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tqs_edge.pipeline import fitting
from tqs_edge.plan.feedback import ErrorFeedback
from tqs_edge.plan.rounding import Rounding


@pytest.mark.parametrize(
    ("errors", "begun", "chosen"),
    [
        ((0.005, 0.001, 0.001), 1, 5),
        ((0.03, 0.009, 0.001), 2, 6),
        ((0.03, 0.02, 0.04), 3, 6),
        ((0.03, float("nan"), 0.02), 3, 7),
    ],
)
def test_the_best_start_counts(
    monkeypatch: pytest.MonkeyPatch, errors: tuple[float, ...], begun: int, chosen: int
) -> None:
    seeds: list[int] = []

    def fit_plans(_prepared: Any, _plans: Any, _rounding: Any, *, seed: int, **_rest: Any) -> Any:
        seeds.append(seed)
        plan = SimpleNamespace(fitted=True, feedback=(), seed=seed, error=errors[seed - 5])
        return (SimpleNamespace(plan=plan),)

    monkeypatch.setattr(fitting, "fit_plans", fit_plans)
    monkeypatch.setattr(fitting, "planning_error", lambda _prepared, plan: plan.error)
    plain: Any = SimpleNamespace(feedback=(), activations={})
    prepared: Any = None
    integers = fitting.Integers(Rounding.FITTED, ErrorFeedback.OFF, seed=5)
    found: Any = fitting.with_integers(prepared, [plain], integers)
    assert seeds == list(range(5, 5 + begun))
    assert [plan.seed for plan in found] == [chosen]
