"""How far ahead the model itself can be followed: the same answer for `score` and for reports."""

from __future__ import annotations

from typing import Any

import numpy as np

from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.sensitivity.predictability import Predictability, measure_predictability


@one_thread()
def predictability_of(prepared: Prepared) -> Predictability:
    """The predictability of a prepared model, from all of its contexts."""
    both = prepared.planning, prepared.judging
    exog = [trials.exog for trials in both if trials.exog is not None]
    return measure_predictability(
        prepared.model,
        np.concatenate([trials.contexts for trials in both]),
        np.concatenate([trials.frames for trials in both]),
        prepared.horizon,
        prepared.ranges,
        np.concatenate(exog) if exog else None,
    )


def predictability_entry(found: Predictability) -> dict[str, Any]:
    """The entry of report.json: plain numbers, None where there is no such number."""
    spectrum = found.spectrum
    return {
        "verdict": found.verdict.value,
        "words": found.words(),
        "lyapunov_per_step": spectrum.largest if spectrum else None,
        "lyapunov_error": spectrum.error if spectrum else None,
        "lyapunov_time_steps": found.lyapunov_time,
        "limit_steps": found.limit_steps,
        "quantization_step": found.quantization_step,
        "spectrum": list(spectrum.exponents) if spectrum else [],
        "spectrum_complete": spectrum.complete if spectrum else False,
        "steps": spectrum.steps if spectrum else 0,
        "contexts": spectrum.contexts if spectrum else 0,
    }
