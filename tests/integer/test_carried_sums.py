"""Sums that are carried from step to step are the sums of the rows that are kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from tests.graph.windowed_graphs import Step, averages
from tests.integer.test_streaming import ranges_of, with_kept_rows
from tests.passes.small_models import mixed_plan
from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import streaming_form
from tqs_edge.integer.build import build_program
from tqs_edge.integer.carried_sums import LEAST_TERMS, carried_sums
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.verify.reference import run_reference

LONG = LEAST_TERMS + 3


def built(model: RolloutModel) -> tuple[RolloutModel, IntegerProgram]:
    """The streaming form and its program."""
    streamed = streaming_form(model)
    ranges = with_kept_rows(streamed, ranges_of(model))
    return streamed, build_program(streamed.graph, mixed_plan(streamed.graph, 16, 16, (8,)), ranges)


def two_averages() -> RolloutModel:
    """A longer and a shorter average of the same rows."""
    step = Step(LONG + 4, 1)
    h = step.dense("x", 4)
    parts = [step.last(step.average(h, kernel)) for kernel in (LONG + 2, LONG)]
    both = step.same(Op.TANH, step.op(Op.CONCAT, tuple(parts), (1, 1, 8), axis=-1))
    return step.model(step.dense(both, 1))


@pytest.mark.parametrize("make", [two_averages, lambda: averages(LONG + 1, (LONG,), 2)])
def test_carried_sums_are_those_of_the_kept_rows_at_every_step(make) -> None:
    streamed, program = built(make())
    nodes = [node for node in streamed.graph.nodes if node.op is Op.MOVING_SUM]
    assert sum(map(len, carried_sums(streamed.graph).values())) == len(nodes)
    seen: list[int] = []

    def check(call: int, values: Mapping[str, np.ndarray]) -> None:
        for node in nodes:
            terms = values[node.inputs[0]].sum(axis=node.attrs["axis"], keepdims=True)
            np.testing.assert_array_equal(values[f"{node.name}_sum_next"], terms)
            seen.append(int(np.abs(terms).max()))

    contexts = np.random.default_rng(1).integers(-20000, 20000, (3, 60, streamed.features))
    run_reference(program, streamed, contexts.astype(np.int16), 200, on_step=check)
    assert max(seen) > 1 << 15  # more than the rows' own width holds


def test_a_carried_sum_is_a_state_of_32_bits_that_starts_at_zero() -> None:
    streamed, program = built(two_averages())
    added = {s.name for s in program.states} - {s.name for s in streamed.graph.states}
    assert len(added) == 2
    assert all(program.tensors[name].bits == 32 for name in added)


def few_terms() -> RolloutModel:
    return averages(LEAST_TERMS + 2, (LEAST_TERMS - 1,))


def two_rows_per_step() -> RolloutModel:
    return averages(LONG + 3, (LONG,), block=2)


def rows_before_the_newest() -> RolloutModel:
    step = Step(LONG + 4, 1)
    h = step.dense("x", 4)
    older = step.last(step.average(h, LONG), back=2)
    joined = step.op(Op.CONCAT, (older, step.last(h)), (1, 1, 8), axis=-1)
    return step.model(step.dense(step.same(Op.TANH, joined), 1))


@pytest.mark.parametrize("make", [few_terms, two_rows_per_step, rows_before_the_newest])
def test_other_sums_are_added_up_from_their_terms(make) -> None:
    streamed = streaming_form(make())
    assert any(node.op is Op.MOVING_SUM for node in streamed.graph.nodes)
    assert not carried_sums(streamed.graph)


def test_windows_are_left_as_they_are() -> None:
    assert not carried_sums(two_averages().graph)
