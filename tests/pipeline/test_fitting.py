"""Fits are begun anew where integers err by much, and the best one counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tqs_edge.pipeline import fitting
from tqs_edge.plan.bit_plan import BitPlan, FittedWeight
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
        plan = SimpleNamespace(
            fitted=True, feedback=(), seed=seed, error=errors[seed - 5], method=""
        )
        return (SimpleNamespace(plan=plan),)

    monkeypatch.setattr(fitting, "fit_plans", fit_plans)
    monkeypatch.setattr(fitting, "planning_error", lambda _prepared, plan: plan.error)
    plain: Any = SimpleNamespace(feedback=(), fitted={}, activations={})
    prepared: Any = None
    integers = fitting.Integers(Rounding.FITTED, ErrorFeedback.OFF, seed=5)
    found: Any = fitting.with_integers(prepared, [plain], integers)
    assert seeds == list(range(5, 5 + begun))
    assert [plan.seed for plan in found] == [chosen]


@pytest.mark.parametrize(("noisy", "quiet"), [(0.005, 0.004), (0.004, 0.005)])
def test_integers_fitted_without_rounding_activations_are_tried_at_the_widths_asked_for(
    monkeypatch: pytest.MonkeyPatch, noisy: float, quiet: float
) -> None:
    """Each fit marks its integers with the width that activations had."""
    plan = BitPlan({}, {"x": 8, "h": 16}, {"h": 16}, "uniform", feedback=("x",))
    plan = replace(plan, spans={"x": (0.0, 1.0)})
    given: list[BitPlan] = []

    def fit_plans(_prepared: Any, plans: Sequence[BitPlan], *_args: Any, **_rest: Any) -> Any:
        given.extend(plans)
        marked = [FittedWeight(np.array([[p.activations["x"]]]), np.ones(1)) for p in plans]
        return [
            SimpleNamespace(plan=replace(p, fitted={"w": mark}))
            for p, mark in zip(plans, marked, strict=True)
        ]

    def error(_prepared: Any, fitted: BitPlan) -> float:
        return {8: noisy, 16: quiet}[int(fitted.fitted["w"].integers[0, 0])]

    monkeypatch.setattr(fitting, "fed_plans", lambda _prepared, plans, _how: list(plans))
    monkeypatch.setattr(fitting, "fit_plans", fit_plans)
    monkeypatch.setattr(fitting, "planning_error", error)
    prepared: Any = None
    integers = fitting.Integers(Rounding.FITTED, ErrorFeedback.ON)
    found = fitting.with_integers(prepared, [plan], integers)
    assert [p.activations for p in given] == [plan.activations, {"x": 16, "h": 16}]
    assert given[1].feedback == () and given[1].spans == {}
    widths = [int(p.fitted["w"].integers[0, 0]) for p in found]
    assert widths == ([8, 16] if noisy < quiet else [16, 8])
    assert all(replace(p, fitted={}, biases={}) == plan for p in found)
