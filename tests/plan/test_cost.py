"""Costs of plans against sums made by hand."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from tests.graphs import gru_contexts, gru_graph
from tests.passes.small_models import midpoint
from tests.passes.window_models import convolution
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.kernel_table import dense_kernel
from tqs_edge.plan.choice import to_bit_plan, to_choice
from tqs_edge.plan.cost import CALL_BYTES, CostTable, cost_table
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.sites import SiteKind, list_sites

MODEL = gru_graph(0, hidden=16)


@pytest.fixture(scope="module")
def costs() -> CostTable:
    ranges = observe_ranges(MODEL, gru_contexts(MODEL, 3), 20)
    return cost_table(MODEL.graph, list_sites(MODEL.graph), ranges, "dsp")


def usage_of(costs: CostTable, code: str) -> dict[str, float]:
    choice = to_choice(costs.sites, uniform_plan(MODEL.graph, code))
    return {name: float(value[0]) for name, value in costs.usage(choice).items()}


def test_uniform_flash_is_packed_rows_bias_and_multiplier(costs: CostTable) -> None:
    shapes = [w.shape for w in MODEL.graph.constants.values() if w.ndim == 2]
    packed = sum(rows * ceil(depth / 8) * 4 for rows, depth in shapes)
    rows = sum(8 * rows for rows, _ in shapes)
    code = dense_kernel(16, 4, 32).costs["dsp"].code_bytes
    assert usage_of(costs, "a16w4")["flash"] == packed + rows + CALL_BYTES * len(shapes) + code


def test_sixteen_bit_weights_pay_for_64_bit_biases(costs: CostTable) -> None:
    shapes = [w.shape for w in MODEL.graph.constants.values() if w.ndim == 2]
    packed = sum(rows * ceil(depth / 2) * 4 for rows, depth in shapes)
    rows = sum(12 * rows for rows, _ in shapes)
    code = dense_kernel(16, 16, 64).costs["dsp"].code_bytes
    assert usage_of(costs, "a16w16")["flash"] == packed + rows + CALL_BYTES * len(shapes) + code


def test_rows_of_a_layer_used_twice_are_counted_once() -> None:
    model = midpoint()
    ranges = observe_ranges(model, gru_contexts(model, 3), 20)
    costs = cost_table(model.graph, list_sites(model.graph), ranges, "dsp")
    choice = to_choice(costs.sites, uniform_plan(model.graph, "a16w8"))
    rows, code = 3, dense_kernel(16, 8, 32).costs["dsp"].code_bytes
    packed, constants = 4 * rows, 8 * rows
    expected = packed + 2 * (constants + CALL_BYTES) + code
    assert float(costs.usage(choice)["flash"][0]) == expected
    assert float(costs.usage(choice)["avg_bits"][0]) == 8.0


def test_instructions_follow_the_kernel_table(costs: CostTable) -> None:
    kernel = dense_kernel(16, 8, 32)
    shapes = [w.shape for w in MODEL.graph.constants.values() if w.ndim == 2]
    expected = sum(
        kernel.instructions("dsp", rows, depth, least_shift=True) for rows, depth in shapes
    )
    assert usage_of(costs, "a16w8")["insns"] == pytest.approx(expected)


def test_average_bits_of_a_uniform_plan_are_its_width(costs: CostTable) -> None:
    assert usage_of(costs, "a8w2")["avg_bits"] == pytest.approx(2.0)


def test_narrow_activations_need_a_copy(costs: CostTable) -> None:
    wide, narrow = usage_of(costs, "a16w8"), usage_of(costs, "a8w8")
    assert narrow["ram"] - wide["ram"] == 16 + 16 + 16  # x, h and h_next, padded to 16 elements


def test_unfolded_activations_are_narrowed_before_they_are_repeated() -> None:
    model = convolution()
    ranges = observe_ranges(model, gru_contexts(model, 3), 20)
    costs = cost_table(model.graph, list_sites(model.graph), ranges, "dsp")
    (patches,) = [i for i, site in enumerate(costs.sites) if site.id == "act:patches"]
    assert costs.ram[patches].max() == 32  # the 11 * 2 padded inputs, not the 9 * 6 patches


def factors_of(rows: dict[str, int], large: slice) -> dict[str, dict[int, np.ndarray]]:
    """Of 16-bit activations: rows `large` of every dense node shift by LEAST_SHIFT."""
    factors = {name: np.zeros(count) for name, count in rows.items()}
    for factor in factors.values():
        factor[large] = 1e9
    return {name: {16: factor} for name, factor in factors.items()}


def test_calls_cost_their_arguments_and_a_shift_of_32_its_own_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranges = observe_ranges(MODEL, gru_contexts(MODEL, 3), 20)
    sites = list_sites(MODEL.graph)
    shapes = {n.name: MODEL.graph.constants[n.weight].shape for n in MODEL.graph.dense_nodes()}
    rows = {name: shape[0] for name, shape in shapes.items()}
    kernel = dense_kernel(16, 8, 32)
    none, one = slice(0), slice(1)
    for large, bound, least in ((none, 0, False), (one, 0, True), (none, 1 << 27, True)):
        monkeypatch.setattr("tqs_edge.plan.cost.SHORT_BOUND", bound)
        fixed = Fixed(0.0, 0.0, 5.0, call=7.0, factors=factors_of(rows, large))
        costs = cost_table(MODEL.graph, sites, ranges, "dsp", fixed)
        wanted = 5.0 + sum(
            7.0 + kernel.instructions("dsp", *shape, least_shift=least) for shape in shapes.values()
        )
        assert usage_of(costs, "a16w8")["insns"] == pytest.approx(wanted)


def test_calls_for_some_rows_shift_as_these_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tqs_edge.plan.cost.SHORT_BOUND", 0)
    ranges = observe_ranges(MODEL, gru_contexts(MODEL, 3), 20)
    sites = list_sites(MODEL.graph)
    shapes = {n.name: MODEL.graph.constants[n.weight].shape for n in MODEL.graph.dense_nodes()}
    rows = {name: shape[0] for name, shape in shapes.items()}
    fixed = Fixed(0.0, 0.0, 0.0, factors=factors_of(rows, slice(4)))
    costs = cost_table(MODEL.graph, sites, ranges, "dsp", fixed)
    blocks = [site for site in sites if site.kind is SiteKind.WEIGHT]
    choice = to_choice(sites, uniform_plan(MODEL.graph, "a16w8"))
    for number, block in enumerate(blocks):
        choice[sites.index(block)] = WIDTHS.index((8, 4)[number % 2])
    wanted = 0.0
    for node in MODEL.graph.dense_nodes():
        for number, block in enumerate(blocks):
            if block.tensor == node.weight:
                kernel = dense_kernel(16, (8, 4)[number % 2], 32)
                shape = block.end - block.begin, shapes[node.name][1]
                wanted += kernel.instructions("dsp", *shape, least_shift=block.begin == 0)
    assert float(costs.usage(choice)["insns"][0]) == pytest.approx(wanted)


def test_eight_bit_activations_cost_what_the_step_says_of_each() -> None:
    ranges = observe_ranges(MODEL, gru_contexts(MODEL, 3), 20)
    sites = list_sites(MODEL.graph)
    plain, more = (
        usage_of(cost_table(MODEL.graph, sites, ranges, "dsp", fixed), "a8w8")["insns"]
        for fixed in (Fixed(0.0, 0.0, 0.0), Fixed(0.0, 0.0, 0.0, narrow={"x": 5.0, "h": 11.0}))
    )
    assert more - plain == pytest.approx(16.0)


def test_neighbouring_blocks_of_equal_width_are_merged(costs: CostTable) -> None:
    choice = to_choice(costs.sites, uniform_plan(MODEL.graph, "a16w8"))
    index = next(i for i, s in enumerate(costs.sites) if s.id == "cell.weight_hh[16:20]")
    choice[index] = 3
    blocks = to_bit_plan(costs, choice, "tqs").weights["cell.weight_hh"]
    assert [(b.begin, b.end, b.bits) for b in blocks] == [(0, 16, 8), (16, 20, 16), (20, 48, 8)]
    assert (to_choice(costs.sites, to_bit_plan(costs, choice, "tqs")) == choice).all()


def test_costs_of_many_plans_equal_costs_of_each(costs: CostTable) -> None:
    rng = np.random.default_rng(0)
    plans = np.array([[rng.choice(np.flatnonzero(row)) for row in costs.legal] for _ in range(5)])
    together = costs.usage(plans)
    for i, plan in enumerate(plans):
        for name, value in costs.usage(plan).items():
            assert together[name][i] == pytest.approx(value[0])
