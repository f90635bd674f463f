"""Which sites a graph has."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.graphs import gru_graph, linear_map
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.errors import InputError
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.sensitivity.sites import SiteKind, list_backend_sites, list_sites


def test_blocks_stay_inside_gates() -> None:
    sites = list_sites(gru_graph(0, hidden=20).graph, 8)
    spans = [(s.begin, s.end) for s in sites if s.tensor == "cell.weight_hh"]
    assert spans[:4] == [(0, 8), (8, 16), (16, 20), (20, 28)]
    assert len(spans) == 9 and spans[-1] == (56, 60)


def test_gates_are_seen_through_bounds_and_reductions_along_other_axes() -> None:
    chain = (
        Node("wide", Op.DENSE, ("x",), (1, 3, 6), {}, "w"),
        Node("bounded", Op.CLAMP, ("wide",), (1, 3, 6), {"low": -1.0, "high": 1.0}),
        Node("level", Op.MEAN, ("bounded",), (1, 1, 6), {"axis": -2}),
        Node("y", Op.SLICE, ("level",), (1, 1, 2), {"axis": -1, "begin": 1, "end": 3}),
    )
    shapes = {"x": (1, 3, 2), **{n.name: n.shape for n in chain}}
    graph = Graph("x", None, (), "y", chain, {"w": np.ones((6, 2), np.float32)}, shapes)
    blocks = [(s.begin, s.end) for s in list_sites(graph) if s.tensor == "w"]
    assert blocks == [(0, 1), (1, 3), (3, 6)]


def test_blocks_cover_every_row_once() -> None:
    graph = gru_graph(0, hidden=13).graph
    for path, weight in graph.constants.items():
        spans = [(s.begin, s.end) for s in list_sites(graph, 5) if s.tensor == path]
        if weight.ndim == 2:
            assert [r for b, e in spans for r in range(b, e)] == list(range(len(weight)))


def test_few_rows_are_one_block() -> None:
    sites = list_sites(linear_map(np.eye(3)).graph)
    assert [(s.id, s.elements) for s in sites] == [("a[0:3]", 9), ("act:x", 3)]


def test_activations_are_what_dense_nodes_read() -> None:
    sites = list_sites(gru_graph(0).graph)
    ids = [s.id for s in sites if s.kind is not SiteKind.WEIGHT]
    assert ids == ["act:x", "act:h", "act:h_next", "state:h"]
    assert sites[-1].widths == (8, 16)


def test_zero_rows_per_block_are_refused() -> None:
    with pytest.raises(InputError, match="block_rows is 0"):
        list_sites(gru_graph(0).graph, 0)


def test_a_black_box_has_the_ids_of_its_graph() -> None:
    model = gru_graph(0, hidden=16)
    backend = graph_backend(model)
    black_box = SimpleNamespace(
        name="torch",
        weights=backend.weights,
        tensors={"x": (1, 4), "known": (1, 2), "h": (1, 16)},
        states=("h",),
    )
    expected = [s for s in list_sites(model.graph) if s.id not in ("act:h", "act:h_next")]
    assert list(list_backend_sites(black_box)) == expected


def test_a_black_box_without_weights_is_refused() -> None:
    black_box = SimpleNamespace(weights={}, tensors={"x": (1, 4)}, states=())
    with pytest.raises(InputError, match="no weight matrix"):
        list_backend_sites(black_box)
    with pytest.raises(InputError, match="block_rows is 0"):
        list_backend_sites(black_box, 0)
