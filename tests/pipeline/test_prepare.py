"""Which windows are planned on and judged on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli import factories
from tqs_edge import zoo
from tqs_edge.errors import InputError
from tqs_edge.pipeline.prepare import MAX_CONTEXTS, Prepared, prepare


def is_row_subset(part: np.ndarray, whole: np.ndarray) -> bool:
    """Whether `part` is a choice of the entries of `whole`, each once and in their order."""
    index = [int((whole == entry).all(axis=(1, 2)).argmax()) for entry in part]
    same = all((whole[i] == entry).all() for i, entry in zip(index, part, strict=True))
    return same and index == sorted(set(index))


def starts(prepared: Prepared) -> tuple[bytes, bytes]:
    return prepared.planning.contexts.tobytes(), prepared.judging.contexts.tobytes()


def test_a_seed_draws_windows_and_their_truth_from_each_part() -> None:
    shipped = zoo.load("sst-ssm")
    plain, again, one, two = (prepare("zoo:sst-ssm", seed=s) for s in (None, None, 1, 2))
    count = len(shipped.planning_contexts)
    spread = np.linspace(0, count - 1, MAX_CONTEXTS).astype(int)
    np.testing.assert_array_equal(plain.planning.contexts, shipped.planning_contexts[spread])
    assert starts(plain) == starts(again)
    assert len({*starts(plain), *starts(one), *starts(two)}) == 6
    assert starts(one) == starts(prepare("zoo:sst-ssm", seed=1))
    for trials, contexts, truth in (
        (one.planning, shipped.planning_contexts, shipped.planning_truth),
        (one.judging, shipped.judging_contexts, shipped.judging_truth),
    ):
        assert len(trials.contexts) == MAX_CONTEXTS
        joined = np.concatenate([trials.contexts, trials.truth], axis=1)
        assert is_row_subset(joined, np.concatenate([contexts, truth], axis=1))


@pytest.mark.slow
def test_a_seed_draws_free_running_windows_too() -> None:
    model, inputs = factories.small_gru()
    one, two = (prepare(model, example_inputs=inputs, horizon=8, seed=s) for s in (1, 2))
    assert len({*starts(one), *starts(two)}) == 4
    assert len(one.planning.contexts) == len(one.judging.contexts) == MAX_CONTEXTS


def test_zoo_rows_known_in_advance_are_cut_to_the_calls_of_the_rollout() -> None:
    prepared = prepare("zoo:driven-euler", horizon=10)
    exog, frames = prepared.planning.exog, prepared.planning.frames
    assert exog is not None and exog.shape == (MAX_CONTEXTS, 10, 1)
    assert np.abs(frames - prepared.planning.truth).max() < 0.2


def test_zoo_rows_known_in_advance_end_with_the_horizon_of_the_card() -> None:
    most = zoo.card_of("driven-euler").horizon
    with pytest.raises(InputError, match=f"for {most} steps; shorten --horizon"):
        prepare("zoo:driven-euler", horizon=most + 1)


@pytest.mark.parametrize("source", ["zoo:co2-tide", "no-such-model.pt2"])
def test_exogenous_inputs_of_no_contexts_are_refused_first(source: str) -> None:
    with pytest.raises(InputError, match="--exog goes with --context; give both"):
        prepare(source, exog=Path("known.npy"))
