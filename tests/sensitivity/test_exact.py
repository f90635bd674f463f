"""The measured damage table against rollouts made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.graphs import gru_contexts, gru_graph
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.quant.scheme import fake_quantize_rows
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.exact import Damage, measure_damage
from tqs_edge.sensitivity.fake_quant import quantized_weights, rollout_damage, rollout_errors
from tqs_edge.sensitivity.score import score
from tqs_edge.sensitivity.sites import list_sites

HORIZON = 40


def test_damage_of_a_block_is_that_of_a_rollout_with_rounded_rows() -> None:
    model = gru_graph(2, hidden=16)
    contexts = gru_contexts(model, 5)
    table = measure_damage(model, contexts, HORIZON)
    rounded = model.graph.constants["cell.weight_hh"].copy()
    rounded[8:12] = fake_quantize_rows(rounded[8:12], 4)
    constants = {**model.graph.constants, "cell.weight_hh": rounded}
    changed = replace(model, graph=replace(model.graph, constants=constants))
    with torch.no_grad():
        clean, frames = (
            rollout(m, torch.from_numpy(contexts), HORIZON).numpy() for m in (model, changed)
        )
    expected = (((frames - clean) / clean.std(axis=(0, 1))) ** 2).mean()
    assert table.measured()["cell.weight_hh[8:12]", 4] == pytest.approx(expected, rel=1e-3)


def test_more_bits_do_less_damage() -> None:
    model = gru_graph(2, hidden=16)
    table = measure_damage(model, gru_contexts(model, 8), HORIZON).measured()
    for site in list_sites(model.graph):
        damages = [table[site.id, bits] for bits in site.widths]
        assert damages[0] > 4.0 * damages[-1]


def test_tqs_ranks_the_damages_as_measured() -> None:
    model = gru_graph(0, hidden=16)
    contexts = gru_contexts(model, 8)
    report = score(model, contexts, HORIZON)
    table = measure_damage(model, contexts, HORIZON, report=report)
    assert table.spearman is not None and table.spearman > 0.95
    assert all(d.relative_error is not None for d in table.damages)


def test_relative_error_is_none_where_nothing_was_predicted() -> None:
    assert Damage("a[0:1]", 4, 1.0, None).relative_error is None
    assert Damage("a[0:1]", 4, 2.0, 3.0).relative_error == pytest.approx(0.5)


def test_plans_rolled_out_together_equal_plans_rolled_out_alone() -> None:
    model = gru_graph(4, hidden=8)
    contexts = gru_contexts(model, 4)
    sites = list_sites(model.graph)
    clean = clean_rollouts(model, contexts, HORIZON)
    ranges = observe_ranges(model, contexts, HORIZON)
    quantized = quantized_weights(clean, sites, ranges)
    rng = np.random.default_rng(0)
    choices = np.array(
        [[rng.choice([i for i, b in enumerate((2, 4, 8, 16)) if b in s.widths]) for s in sites]
         for _ in range(6)]
    )  # fmt: skip
    together = rollout_damage(clean, quantized, choices)
    alone = [rollout_damage(clean, quantized, c[None])[0] for c in choices]
    assert together.tolist() == pytest.approx(alone, rel=1e-3)
    samples = rollout_errors(clean, quantized, choices).samples
    assert (samples**2).sum(axis=1).tolist() == pytest.approx(together.tolist(), rel=1e-3)
