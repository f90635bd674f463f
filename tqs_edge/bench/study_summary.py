"""What a study says: wins, ratios, rank correlation, and which goals were reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tqs_edge.bench.plans import METHODS, Judgement, Role
from tqs_edge.bench.study import StudyPart

PRODUCT, REFERENCE = "tqs", "uniform"
TIE = 1e-3  # relative difference of two errors that counts as none; windows differ by far more
LEAST_NRMSE = 1e-12  # stands for zero in ratios

WIN_SHARE = 0.95
WORST_RATIO = 1.05
MEAN_RATIO = 0.4
SPEARMAN = 0.9
COST_SHARE = 0.1

Cell = tuple[str, float, int]  # model, average bits, seed


@dataclass(frozen=True)
class Versus:
    """The product against one method, over the cells that both have.

    wins, ties, losses: cells in which the product's error is smaller, the same, larger
    ratio, worst: the product's error over the method's, geometric mean and largest
    to_uniform: the method's own error over uniform's, geometric mean; None without uniform
    """

    method: str
    cells: int
    wins: int
    ties: int
    losses: int
    ratio: float
    worst: float
    to_uniform: float | None


@dataclass(frozen=True)
class Agreement:
    """How well and how cheaply TQS foretells the measured damages of one model.

    spearman, least: mean over seeds, and the least of them
    score_seconds, exact_seconds: processor time of the scores and of exact mode, all seeds
    """

    model: str
    spearman: float
    least: float
    score_seconds: float
    exact_seconds: float

    @property
    def cost(self) -> float:
        """Time of the scores over that of exact mode."""
        return self.score_seconds / self.exact_seconds


@dataclass(frozen=True)
class Goal:
    """A stated goal, what came of it, in words, and whether that is enough."""

    text: str
    found: str
    reached: bool


@dataclass(frozen=True)
class StudySummary:
    """versus: the product against every other method; goals: only those the study can answer."""

    versus: tuple[Versus, ...]
    agreement: tuple[Agreement, ...]
    goals: tuple[Goal, ...]


def summarise(parts: Sequence[StudyPart]) -> StudySummary:
    """The summary of a whole study, or of a part of it."""
    errors = errors_by_method(j for part in parts for j in part.judgements)
    agreement = _agreement(parts)
    others = [name for name in errors if name != PRODUCT]
    versus = tuple(_versus(errors, name) for name in others) if PRODUCT in errors else ()
    return StudySummary(versus, agreement, (*_error_goals(errors, versus), *_cost_goals(agreement)))


def errors_by_method(judgements: Iterable[Judgement]) -> dict[str, dict[Cell, float]]:
    """nRMSE by method and cell, methods in the study's order."""
    found: dict[str, dict[Cell, float]] = {}
    for j in judgements:
        found.setdefault(j.method, {})[j.model, j.avg_bits, j.seed] = max(j.nrmse, LEAST_NRMSE)
    return {name: found[name] for name in METHODS if name in found}


def geometric_mean(values: Iterable[float]) -> float:
    """exp(mean(ln v)) of positive values."""
    return float(np.exp(np.mean(np.log(list(values)))))


def _ratios(ours: Mapping[Cell, float], theirs: Mapping[Cell, float]) -> dict[Cell, float]:
    return {cell: ours[cell] / theirs[cell] for cell in ours if cell in theirs}


def _versus(errors: Mapping[str, Mapping[Cell, float]], method: str) -> Versus:
    ratios = _ratios(errors[PRODUCT], errors[method])
    found = list(ratios.values())
    wins, losses = sum(r < 1.0 - TIE for r in found), sum(r > 1.0 + TIE for r in found)
    to_uniform = None
    if REFERENCE in errors:
        to_uniform = geometric_mean(_ratios(errors[method], errors[REFERENCE]).values())
    return Versus(
        method=method,
        cells=len(found),
        wins=wins,
        ties=len(found) - wins - losses,
        losses=losses,
        ratio=geometric_mean(found),
        worst=max(found),
        to_uniform=to_uniform,
    )


def _agreement(parts: Sequence[StudyPart]) -> tuple[Agreement, ...]:
    by_model: dict[str, list[StudyPart]] = {}
    for part in parts:
        by_model.setdefault(part.request.source, []).append(part)
    return tuple(
        Agreement(
            model=model,
            spearman=float(np.mean([p.spearman for p in found])),
            least=min(p.spearman for p in found),
            score_seconds=sum(p.score_seconds for p in found),
            exact_seconds=sum(p.exact_seconds for p in found),
        )
        for model, found in by_model.items()
    )


def _error_goals(
    errors: Mapping[str, Mapping[Cell, float]], versus: Sequence[Versus]
) -> tuple[Goal, ...]:
    goals = []
    against = next((v for v in versus if v.method == REFERENCE), None)
    if against:
        good = against.wins + against.ties
        share = good / against.cells
        goals.append(
            Goal(
                f"beats or ties uniform in at least {WIN_SHARE:.0%} of cells",
                f"{good} of {against.cells} cells, {share:.1%} (tie: within {TIE:.1%})",
                share >= WIN_SHARE,
            )
        )
    baselines = [name for name in errors if METHODS[name].role is Role.BASELINE]
    if baselines and PRODUCT in errors:
        goals.append(_worst_goal(errors, baselines))
    if against:
        goals.append(
            Goal(
                f"geometric-mean error at most {MEAN_RATIO:g} x uniform's",
                f"{against.ratio:.3g} x uniform's",
                against.ratio <= MEAN_RATIO,
            )
        )
    return tuple(goals)


def _worst_goal(errors: Mapping[str, Mapping[Cell, float]], baselines: Sequence[str]) -> Goal:
    best = {
        cell: min((errors[name][cell], name) for name in baselines if cell in errors[name])
        for cell in errors[PRODUCT]
    }
    ratios = {cell: errors[PRODUCT][cell] / best[cell][0] for cell in best}
    worst = max(ratios, key=lambda cell: ratios[cell])
    beyond = sum(ratio > WORST_RATIO for ratio in ratios.values())
    model, bits, seed = worst
    return Goal(
        f"in no cell more than {WORST_RATIO - 1:.0%} worse than the best baseline",
        f"{beyond} of {len(ratios)} cells are; the worst is {ratios[worst]:.3g} x "
        f"{best[worst][1]} ({model}, {bits:g} bits, seed {seed})",
        beyond == 0,
    )


def _cost_goals(agreement: Sequence[Agreement]) -> tuple[Goal, ...]:
    least = min(agreement, key=lambda a: a.least)
    dearest = max(agreement, key=lambda a: a.cost)
    total = sum(a.score_seconds for a in agreement) / sum(a.exact_seconds for a in agreement)
    return (
        Goal(
            f"rank correlation with measured damage at least {SPEARMAN:g} on every model",
            f"least {least.least:.3f} ({least.model})",
            least.least >= SPEARMAN,
        ),
        Goal(
            f"at no more than {COST_SHARE:g} of exact mode's processor time in total",
            f"{total:.3f} x; by model up to {dearest.cost:.3f} x ({dearest.model})",
            total <= COST_SHARE,
        ),
    )
