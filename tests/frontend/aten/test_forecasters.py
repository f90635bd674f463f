"""Forecasters of every family load: torch, Relax and graph compute the same (`check_import`)."""

from __future__ import annotations

import pytest

from tests.frontend.aten.forecasters import forecasters
from tqs_edge.frontend import load_model
from tqs_edge.graph.graph import Graph, Op


def graph_of(name: str) -> Graph:
    module, inputs = forecasters()[name]
    return load_model(module, example_inputs=inputs).model.graph


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")  # torch, of itself
@pytest.mark.parametrize(
    "name", [n for n in forecasters() if n not in ("GRU", "TCN", "causal transformer", "LRU")]
)
def test_forecaster_loads(name):
    graph = graph_of(name)
    assert graph.dense_nodes()
    assert all(node.name.isidentifier() for node in graph.nodes)
    assert not {node.name for node in graph.nodes} & set(graph.constants)


def test_layers_of_a_gru_read_their_own_row_of_the_state():
    graph = graph_of("GRU")
    rows = [n for n in graph.nodes if n.op is Op.SLICE and n.inputs == ("states_0",)]
    assert [(n.attrs["axis"], n.attrs["begin"]) for n in rows] == [(-3, 0), (-3, 1), (-3, 2)]
    assert [n.op for n in graph.nodes].count(Op.CONCAT) == 1
    assert graph.node("rnn_hh_l1").weight == "rnn.weight_hh_l1"


@pytest.mark.slow
def test_tcn_needs_no_transposes():
    graph = graph_of("TCN")
    assert not [n for n in graph.nodes if n.op is Op.TRANSPOSE]
    unfolds = [dict(n.attrs) for n in graph.nodes if n.op is Op.UNFOLD]
    assert [u["dilation"] for u in unfolds] == [1, 1, 2, 2]
    assert graph.node("blocks_0_net_0").weight == "blocks.0.net.0.weight"
    assert graph.constants["blocks.0.net.0.weight"].shape == (4, 9)


@pytest.mark.slow
def test_transformer_has_one_softmax_under_a_finite_mask():
    graph = graph_of("causal transformer")
    (softmax,) = (n for n in graph.nodes if n.op is Op.SOFTMAX)
    (mask,) = (c for path, c in graph.constants.items() if "mask" in path)
    assert softmax.shape == (1, 2, 8, 8) and mask.min() == -1e4


@pytest.mark.slow
def test_poles_are_computed_when_loading():
    graph = graph_of("LRU")
    assert {n.op for n in graph.nodes} == {
        Op.DENSE, Op.MUL, Op.SLICE, Op.SUB, Op.ADD, Op.CONCAT,
    }  # fmt: skip
