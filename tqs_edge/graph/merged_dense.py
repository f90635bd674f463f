"""Two dense layers of linear maps of one tensor, summed, as one dense layer of that tensor.

A decomposition model such as DLinear (Zeng et al., Are Transformers Effective for Time Series
Forecasting?, AAAI 2023) splits its window into a moving average and what is left of it, gives each
a dense layer, and adds the two:

    y = W1 (v - M v) + b1 + W2 M v + b2 = (W1 - W1 M + W2 M) v + b1 + b2

The average need not be computed at all: it is a part of the weights. A single layer is left as it
is: what stands before it may keep something exact that rounded weights would only keep nearly, such
as a last value subtracted before and added behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from tqs_edge.graph.evaluate import compute
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.layout import LAYOUT_OPS
from tqs_edge.graph.unread import store, without_unread

if TYPE_CHECKING:
    import torch

# Linear in their tensors together, constants aside; MUL only by a constant.
LINEAR = frozenset(
    {*LAYOUT_OPS, Op.ADD, Op.SUB, Op.MUL, Op.AFFINE, Op.MEAN, Op.SUM, Op.DENSE} - {Op.PUSH}
)
MOST_INPUTS = 4096  # elements of a tensor whose maps are measured, one by one
CHUNK = 256  # of them at a time
SWAP = MappingProxyType({"axes": (-1, -2)})


def merge_dense(graph: Graph) -> Graph:
    """`graph` with every such sum as one layer, where that takes no more weights than before.

    The layer's weight is called "first+second" by the paths of the two. Sums of three layers and
    more are merged two by two.
    """
    while (merged := _merged_once(graph)) is not None:
        graph = merged
    return graph


def _merged_once(graph: Graph) -> Graph | None:
    made = {node.name: node for node in graph.nodes}
    for node in graph.nodes:
        layers = _layers_of(graph, made, node) if node.op is Op.ADD else None
        if layers is None:
            continue
        for source in _common_sources(graph, made, layers):
            if (merged := _merged(graph, node, layers, source)) is not None:
                return merged
    return None


def _layers_of(graph: Graph, made: Mapping[str, Node], total: Node) -> list[Node] | None:
    """The two dense layers, of as many rows and columns as `total`, that are read by nothing else;
    None where it is no such sum."""
    outputs = {graph.output, *(state.update for state in graph.states)}
    layers: list[Node] = []
    for name in total.inputs:
        layer = made.get(name)
        while layer and layer.op in (Op.RESHAPE, Op.DENSE) and layer.shape[-1] == total.shape[-1]:
            if layer.name in outputs or len(graph.consumers(layer.name)) != 1:
                return None
            if layer.op is Op.DENSE:
                layers.append(layer)
                break
            layer = made.get(layer.inputs[0])
    alike = all(prod(layer.shape) == prod(total.shape) for layer in layers)
    return layers if len(layers) == 2 and alike else None


def _common_sources(
    graph: Graph, made: Mapping[str, Node], layers: Sequence[Node]
) -> Iterator[str]:
    """The tensors of which both layers' inputs are linear maps, the latest first."""
    inputs = [layer.inputs[0] for layer in layers]
    reached = [_region(graph, made, tensor, None) for tensor in inputs]
    for name in reversed([graph.input, *(state.name for state in graph.states), *made]):
        shared = all(name in names for names in reached)
        if shared and all(_is_linear(graph, made, tensor, name) for tensor in inputs):
            yield name


def _region(graph: Graph, made: Mapping[str, Node], tensor: str, source: str | None) -> set[str]:
    """The tensors that `tensor` is computed from, itself and `source` included, as far as that."""
    seen: set[str] = set()
    waiting = [tensor]
    while waiting:
        name = waiting.pop()
        if name in seen or name in graph.constants:
            continue
        seen.add(name)
        if name != source and name in made:
            waiting.extend(made[name].inputs)
    return seen


def _is_linear(graph: Graph, made: Mapping[str, Node], tensor: str, source: str) -> bool:
    """Whether `tensor` is computed from `source` and constants alone, by linear operations."""
    between = [made.get(name) for name in _region(graph, made, tensor, source) - {source}]
    return all(
        node is not None
        and node.op in LINEAR
        and (node.op is not Op.MUL or any(name in graph.constants for name in node.inputs))
        for node in between
    )


def _merged(graph: Graph, total: Node, layers: Sequence[Node], source: str) -> Graph | None:
    """The graph with the layer of `source` in the place of the sum; None where that is no dense
    layer, or takes more weights."""
    size, rows = prod(graph.shapes[source]), prod(total.shape[:-1])
    weights = [graph.constants[str(layer.weight)].astype(np.float64) for layer in layers]
    if size % rows or size > MOST_INPUTS or size // rows > sum(w.shape[1] for w in weights):
        return None
    maps = [_affine_map(graph, source, layer.inputs[0]) for layer in layers]
    offsets = [offset.reshape(rows, -1) for _, offset in maps]
    if any((offset != offset[0]).any() for offset in offsets):
        return None  # a bias belongs to a row of the weight, whichever row of the input it is for
    biases = [graph.constants[layer.bias] for layer in layers if layer.bias is not None]
    biases += [weight @ offset[0] for weight, offset in zip(weights, offsets, strict=True)]
    for turned in (False, True):
        matrices = [_matrix_of_rows(slope, rows, turned=turned) for slope, _ in maps]
        parts = [w @ m for w, m in zip(weights, matrices, strict=True) if m is not None]
        if len(parts) == len(layers):
            view = _rows_of(graph, source, total, turned=turned)
            return _rewritten(
                graph, total, layers, view, np.sum(parts, axis=0), np.sum(biases, axis=0)
            )
    return None


def _affine_map(graph: Graph, source: str, tensor: str) -> tuple[np.ndarray, np.ndarray]:
    """(slope (tensor's elements, source's elements), offset (tensor's elements)), float64."""
    size = prod(graph.shapes[source])
    offset = _images(graph, source, tensor, np.zeros((1, size)))[0]
    parts = np.split(np.eye(size), range(CHUNK, size, CHUNK))
    images = [_images(graph, source, tensor, part) for part in parts]
    return (np.concatenate(images) - offset).T, offset


def _images(graph: Graph, source: str, tensor: str, values: np.ndarray) -> np.ndarray:
    """What `tensor` (count, elements) is where `source` has the values (count, elements)."""
    import torch

    wanted = _region(graph, {node.name: node for node in graph.nodes}, tensor, source)
    count = len(values)
    tensors = {source: torch.from_numpy(values).reshape(count, *graph.shapes[source])}

    def constant(path: str) -> torch.Tensor:
        return torch.from_numpy(graph.constants[path].astype(np.float64))

    for node in graph.nodes:
        if node.name in wanted and node.name != source:
            tensors[node.name] = compute(graph, node, tensors, constant)
    return np.asarray(tensors[tensor].reshape(count, -1).numpy())


def _matrix_of_rows(slope: np.ndarray, rows: int, *, turned: bool) -> np.ndarray | None:
    """The map (depth of output, depth of input) that each of `rows` rows takes.

    turned: the source has them along its last axis. None where rows mix or differ.
    """
    out, depth = slope.shape[0] // rows, slope.shape[1] // rows
    if turned:
        parts = slope.reshape(rows, out, depth, rows).transpose(0, 3, 1, 2)
    else:
        parts = slope.reshape(rows, out, rows, depth).transpose(0, 2, 1, 3)
    own = parts[np.arange(rows), np.arange(rows)]
    mixed = parts[~np.eye(rows, dtype=bool)].any()
    return None if mixed or not np.allclose(own, own[0], rtol=1e-12, atol=1e-15) else own[0]


def _rows_of(graph: Graph, source: str, total: Node, *, turned: bool) -> list[Node]:
    """The nodes that lay the source out as the rows that the merged layer reads."""
    rows, name = prod(total.shape[:-1]), f"{total.name}__rows"
    depth = prod(graph.shapes[source]) // rows
    nodes: list[Node] = []
    if turned:
        flat = Node(f"{name}_columns", Op.RESHAPE, (source,), (depth, rows))
        nodes = [flat, Node(f"{name}_turned", Op.TRANSPOSE, (flat.name,), (rows, depth), SWAP)]
        source = nodes[-1].name
    return [*nodes, Node(name, Op.RESHAPE, (source,), (*total.shape[:-1], depth))]


def _rewritten(
    graph: Graph,
    total: Node,
    layers: Sequence[Node],
    view: Sequence[Node],
    weight: np.ndarray,
    bias: np.ndarray,
) -> Graph:
    """The graph with one layer instead of `layers` and `total`, and without what only they read."""
    constants = dict(graph.constants)
    path = store(constants, "+".join(str(layer.weight) for layer in layers), weight)
    biases = "+".join(layer.bias for layer in layers if layer.bias is not None)
    bias_path = None
    if biases or bias.any():
        bias_path = store(constants, biases or f"{path}.bias", bias)
    merged = Node(total.name, Op.DENSE, (view[-1].name,), total.shape, weight=path, bias=bias_path)
    nodes = [n for node in graph.nodes for n in ([*view, merged] if node is total else [node])]
    shapes = {**graph.shapes, **{node.name: node.shape for node in view}}
    return without_unread(replace(graph, nodes=tuple(nodes), constants=constants, shapes=shapes))
