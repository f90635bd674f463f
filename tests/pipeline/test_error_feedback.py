"""Error feedback is settled by integer rollouts: what does not help does not stay."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.graphs import linear_map
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.pipeline.fitting import fed_plans, settled
from tqs_edge.pipeline.prepare import Trials, float_frames
from tqs_edge.plan.feedback import ErrorFeedback, everywhere
from tqs_edge.plan.uniform import uniform_plan

HORIZON = 60


def prepared_map(matrix: np.ndarray) -> Any:
    """What planning asks of a prepared model, for x' = A x."""
    model = linear_map(matrix)
    contexts = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 1, 2)).astype(np.float32)
    trials = Trials(contexts, None, float_frames(model, contexts, HORIZON), None, "random")
    ranges = observe_ranges(model, contexts, HORIZON)
    return SimpleNamespace(model=model, planning=trials, ranges=ranges, horizon=HORIZON)


def slow() -> Any:
    c, s = 0.999 * np.cos(0.05), 0.999 * np.sin(0.05)
    return prepared_map(np.array([[c, -s], [s, c]]))


def alternating() -> Any:
    """Poles near -1 add up what alternates, which is what feedback makes of rounding errors."""
    return prepared_map(np.array([[-0.99, 0.0], [0.0, -0.98]]))


def test_auto_keeps_what_helps_and_drops_what_does_not() -> None:
    for prepared, kept in ((slow(), ("x",)), (alternating(), ())):
        fed = everywhere(prepared.model.graph, uniform_plan(prepared.model.graph, "a8w16"))
        assert settled(prepared, fed).feedback == kept
        assert settled(prepared, fed, ErrorFeedback.ON).feedback == ("x",)


def test_plans_are_fed_as_asked() -> None:
    prepared = alternating()
    plan = uniform_plan(prepared.model.graph, "a8w16")
    wanted = {ErrorFeedback.AUTO: (), ErrorFeedback.ON: ("x",), ErrorFeedback.OFF: ()}
    for how, feedback in wanted.items():
        assert fed_plans(prepared, [plan], how)[0].feedback == feedback
