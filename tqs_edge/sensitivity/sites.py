"""The places of a step function where precision can be chosen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import prod

from tqs_edge.backends.protocol import StepBackend
from tqs_edge.errors import InputError
from tqs_edge.graph.dense_views import dense_inputs
from tqs_edge.graph.graph import Graph, Node, Op

WEIGHT_WIDTHS = (2, 4, 8, 16)
ACTIVATION_WIDTHS = (8, 16)
STATE_WIDTHS = (8, 16)
BLOCK_ROWS = 4

# Operations that keep columns apart, reductions where they are along another axis.
_ROWWISE = (
    *(Op.ADD, Op.SUB, Op.MUL, Op.AFFINE, Op.TANH, Op.SIGMOID, Op.RELU),
    *(Op.MAXIMUM, Op.MINIMUM, Op.CLAMP, Op.MEAN, Op.SUM, Op.MAX),
)


class SiteKind(StrEnum):
    """What a site holds."""

    WEIGHT = "weight"
    ACTIVATION = "activation"
    STATE = "state"


@dataclass(frozen=True)
class Site:
    """One place where a width is chosen.

    id:       "cell.weight_hh[0:8]", "act:<tensor>" or "state:<name>"
    tensor:   the weight's path, the tensor a dense node reads, or the state variable
    begin, end: rows of the weight (0 and 0 otherwise)
    elements: numbers stored at the chosen width
    widths:   legal bits, ascending
    """

    id: str
    kind: SiteKind
    tensor: str
    begin: int
    end: int
    elements: int
    widths: tuple[int, ...]


def list_sites(graph: Graph, block_rows: int = BLOCK_ROWS) -> tuple[Site, ...]:
    """All sites of a step: weight blocks, then activations, then states, in execution order.

    A weight is cut where its outputs are sliced (the gates of a cell) and then every `block_rows`
    rows. Raises InputError when there is nothing to choose or block_rows < 1.
    """
    if block_rows < 1:
        raise InputError(f"block_rows is {block_rows}; use 1 or more rows per block")
    sites: list[Site] = []
    for path in dict.fromkeys(node.weight for node in graph.dense_nodes()):
        assert path is not None
        depth = graph.constants[path].shape[1]
        for begin, end in _blocks(graph, path, block_rows):
            sites.append(_weight_site(path, begin, end, depth))
    for name in dense_inputs(graph):
        count = prod(graph.shapes[name])
        sites.append(Site(f"act:{name}", SiteKind.ACTIVATION, name, 0, 0, count, ACTIVATION_WIDTHS))
    for state in (s for s in graph.states if s.rows_of is None):
        count = prod(state.shape)
        sites.append(
            Site(f"state:{state.name}", SiteKind.STATE, state.name, 0, 0, count, STATE_WIDTHS)
        )
    if not sites:
        raise InputError("the model has no dense layer and no state: there is no width to choose")
    return tuple(sites)


def list_backend_sites(backend: StepBackend, block_rows: int = BLOCK_ROWS) -> tuple[Site, ...]:
    """The sites of a black box: weight blocks, its input and its states.

    Ids are those of `list_sites` where paths and names are the same; only cuts between gates, which
    a black box does not show, may differ. Its input is what all consumers see, not only dense ones.
    """
    if block_rows < 1:
        raise InputError(f"block_rows is {block_rows}; use 1 or more rows per block")
    sites: list[Site] = []
    for path, weight in backend.weights.items():
        rows, depth = weight.shape
        for begin in range(0, rows, block_rows):
            sites.append(_weight_site(path, begin, min(begin + block_rows, rows), depth))
    inputs = [name for name in backend.tensors if name not in backend.states][:1]
    for kind, prefix, names, widths in (
        (SiteKind.ACTIVATION, "act", inputs, ACTIVATION_WIDTHS),
        (SiteKind.STATE, "state", backend.states, STATE_WIDTHS),
    ):
        for name in names:
            count = prod(backend.tensors[name])
            sites.append(Site(f"{prefix}:{name}", kind, name, 0, 0, count, widths))
    if not backend.weights:
        raise InputError("the model has no weight matrix, so there is no width to choose")
    return tuple(sites)


def _weight_site(path: str, begin: int, end: int, depth: int) -> Site:
    name = f"{path}[{begin}:{end}]"
    return Site(name, SiteKind.WEIGHT, path, begin, end, (end - begin) * depth, WEIGHT_WIDTHS)


def _blocks(graph: Graph, path: str, block_rows: int) -> list[tuple[int, int]]:
    rows = graph.constants[path].shape[0]
    cuts = {0, rows}
    for node in graph.dense_nodes():
        if node.weight == path:
            cuts |= _slice_cuts(graph, node)
    edges = sorted(cuts)
    return [
        (begin, min(begin + block_rows, end))
        for start, end in pairwise(edges)
        for begin in range(start, end, block_rows)
    ]


def _slice_cuts(graph: Graph, node: Node) -> set[int]:
    """Columns at which the node's output is sliced, seen through elementwise operations."""
    cuts: set[int] = set()
    for consumer in graph.consumers(node.name):
        if consumer.op is Op.SLICE and consumer.attrs["axis"] == -1:
            cuts |= {consumer.attrs["begin"], consumer.attrs["end"]}
        elif consumer.op in _ROWWISE and consumer.shape[-1] == node.shape[-1]:
            cuts |= _slice_cuts(graph, consumer)
    return cuts
