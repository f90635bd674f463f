"""A hand-made study whose numbers are easy to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tqs_edge.bench.plans import METHODS, Judgement
from tqs_edge.bench.study import StudyPart, StudyRequest


def record(
    model: str, method: str, bits: float, seed: int, nrmse: float, valid_horizon: float = 50.0
) -> Judgement:
    return Judgement(model, method, bits, 100.0 * bits, bits, seed, nrmse, valid_horizon)


def part(
    model: str,
    seed: int,
    errors: Mapping[str, Sequence[float]],
    *,
    bits: Sequence[float] = (4.0, 8.0),
    spearman: float = 0.97,
    seconds: tuple[float, float] = (1.0, 20.0),
) -> StudyPart:
    """errors: nRMSE at each of `bits`, by method."""
    judgements = tuple(
        record(model, method, b, seed, error)
        for method, found in errors.items()
        for b, error in zip(bits, found, strict=True)
    )
    request = StudyRequest(model, seed, tuple(bits), tuple(errors))
    return StudyPart(request, judgements, spearman, *seconds)


def example_study() -> tuple[StudyPart, ...]:
    """Two models, two budgets, two seeds, all methods."""
    return tuple(
        part(
            model,
            seed,
            {
                method: [0.5 / (1 + k) * scale, 0.02 / (1 + k) * scale]
                for k, method in enumerate(METHODS)
            },
        )
        for model, scale in (("zoo:first", 1.0), ("zoo:second<", 0.1))
        for seed in (0, 1)
    )
