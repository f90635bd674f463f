"""How long anything at all can follow the model: its Lyapunov exponent in steps and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp, log, prod

import numpy as np

from tqs_edge.errors import NonFiniteRollout
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity.fake_quant import site_scale
from tqs_edge.sensitivity.lyapunov import (
    MOST_NUMBERS,
    LyapunovSpectrum,
    free_calls,
    loop_numbers,
    lyapunov_spectrum,
)

CALLS = 400  # of the free run, a quarter of them to settle
FEWEST_CALLS = 16
MOST_CONTEXTS, FEWEST_CONTEXTS = 12, 2
MOST_WORK = 2e9  # multiply-accumulates: about half a second on one core
ERRORS = 3.0  # standard errors that an exponent must be from zero
E_FOLDS = 2.0  # and what it must make of a disturbance over the whole run
OUTPUT_BITS = 16  # the widest activation there is: the smallest error an integer model can start by


class Verdict(StrEnum):
    """What becomes of a small disturbance of the free-running model."""

    CHAOTIC = "chaotic"  # it grows exponentially
    NEUTRAL = "neutral"  # it neither dies out nor grows exponentially: a cycle, a rotation
    CONTRACTING = "contracting"  # it dies out
    UNKNOWN = "unknown"  # not computed, for a reason


@dataclass(frozen=True)
class Predictability:
    """The largest Lyapunov exponent of a model and what follows from it.

    quantization_step: one LSB of the output at 16 bits, RMS over features, in standard deviations
    reason: why there is no spectrum
    """

    spectrum: LyapunovSpectrum | None
    quantization_step: float
    horizon: int
    reason: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Chaotic or contracting only where the exponent is clear of its error and of zero."""
        if self.spectrum is None:
            return Verdict.UNKNOWN
        largest = self.spectrum.largest
        unclear = max(ERRORS * self.spectrum.error, E_FOLDS / self.spectrum.steps)
        if largest is None or largest < -unclear:
            return Verdict.CONTRACTING
        return Verdict.CHAOTIC if largest > unclear else Verdict.NEUTRAL

    @property
    def lyapunov_time(self) -> float | None:
        """Steps in which a disturbance grows e-fold; None unless chaotic."""
        return 1.0 / self._chaotic if self._chaotic else None

    @property
    def limit_steps(self) -> float | None:
        """Steps until an error of one quantization step is as large as the signal.

        ln(1 / quantization_step) / exponent, for an error made once, at the start; None unless
        chaotic. Past it no quantizer of that width, however good, tracks the model.
        """
        return log(1.0 / self.quantization_step) / self._chaotic if self._chaotic else None

    @property
    def _chaotic(self) -> float | None:
        if self.verdict is not Verdict.CHAOTIC or self.spectrum is None:
            return None
        return self.spectrum.largest

    def words(self) -> str:
        """The verdict for a person, in one or two sentences."""
        if self.spectrum is None:
            return f"Predictability not computed: {self.reason}."
        largest = self.spectrum.largest
        if largest is None:
            return "The model forgets any disturbance of its state within a step."
        known = f"largest Lyapunov exponent {largest:+.4f} ± {self.spectrum.error:.4f} per step"
        match self.verdict:
            case Verdict.CHAOTIC:
                return f"Chaotic: {known}. {self._limit_words(largest)}"
            case Verdict.CONTRACTING:
                time = f"to 1/e in {-1.0 / largest:.3g} steps"
                return (
                    f"Not chaotic: {known}. A disturbance of the state dies out, {time}, so the "
                    "rollout has no limit of predictability and errors level off."
                )
            case _:
                return (
                    f"Not chaotic: {known}, not to be told from zero over {self.spectrum.steps} "
                    "steps. Errors neither die out nor grow exponentially; they add up from step "
                    "to step, as in a cycle or a rotation, and the rollout has no limit of "
                    "predictability."
                )

    def _limit_words(self, largest: float) -> str:
        limit = self.limit_steps
        assert limit is not None
        where = (
            f"the horizon of {self.horizon} steps ends before that"
            if self.horizon <= limit
            else f"the horizon of {self.horizon} steps goes beyond that: shorten it"
        )
        rounded = f"{float(f'{limit:.2g}'):.0f}"
        return (
            f"A disturbance grows {exp(10 * largest):.2g}x per 10 steps, and an error of one LSB "
            f"of a {OUTPUT_BITS}-bit output is as large as the signal after about {rounded} steps. "
            f"Past that no quantizer can track the model; {where}."
        )


def measure_predictability(
    model: RolloutModel,
    contexts: np.ndarray,
    frames: np.ndarray,
    horizon: int,
    ranges: Mapping[str, float],
    exog: np.ndarray | None = None,
) -> Predictability:
    """The predictability of the free run from contexts (N, rows, F), from a bounded effort.

    frames (N, T, F): the float rollouts, for the spread of the outputs; ranges: largest magnitudes
    by tensor. Takes all exponents where the loop is small, the greatest alone where it is larger,
    and gives a reason instead where even that would take long.
    """
    std = np.asarray(frames, np.float64).std(axis=(0, 1))
    lsb = site_scale(ranges, model.graph.output, OUTPUT_BITS)
    step = float(np.sqrt(np.mean((lsb / np.where(std > 0.0, std, 1.0)) ** 2)))

    def without(reason: str) -> Predictability:
        return Predictability(None, step, horizon, reason)

    available = free_calls(model, contexts.shape[1], exog)
    calls = CALLS if available is None else min(CALLS, available)
    if calls < FEWEST_CALLS:
        return without(
            f"the exogenous inputs leave {calls} free-running steps, and it takes {FEWEST_CALLS}"
        )
    most_numbers, count = _affordable(model, calls)
    if count < FEWEST_CONTEXTS:
        return without("one step of this model is too large to repeat it a few hundred times")
    chosen = np.unique(np.linspace(0, len(contexts) - 1, min(count, len(contexts))).astype(int))
    try:
        spectrum = lyapunov_spectrum(
            model,
            contexts[chosen],
            calls,
            None if exog is None else exog[chosen],
            most_numbers=most_numbers,
        )
    except NonFiniteRollout:
        return without(f"the free run overflows within {calls} steps, so errors have no limit")
    return Predictability(spectrum, step, horizon)


def _affordable(model: RolloutModel, calls: int) -> tuple[int, int]:
    """(numbers up to which all exponents are computed, contexts) within MOST_WORK."""
    numbers, once = loop_numbers(model), _multiplications(model.graph)
    whole = calls * ((numbers + 1) * once + 2 * numbers**3)
    if numbers <= MOST_NUMBERS and whole * FEWEST_CONTEXTS <= MOST_WORK:
        return MOST_NUMBERS, min(MOST_CONTEXTS, int(MOST_WORK // whole))
    return 0, min(MOST_CONTEXTS, int(MOST_WORK // (2 * calls * once)))


def _multiplications(graph: Graph) -> int:
    """Multiply-accumulates of one step; an element of any other operation counts as one."""
    total = 0
    for node in graph.nodes:
        total += prod(node.shape) * (graph.shapes[node.inputs[0]][-1] if node.weight else 1)
    return total
