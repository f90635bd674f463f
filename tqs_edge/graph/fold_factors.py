"""Products with constants, and constants added, become part of the dense layers beside them.

    behind a layer    c (W x + b) + o = (diag(c) W) x + (c b + o)
    before a layer    W (c x + o) + b = (W diag(c)) x + (b + W o)

Each row of a weight has a scale of its own, so what stands behind a layer costs no accuracy. What
stands before it changes columns, which share the scales: `foldable_columns` says where that is
safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tqs_edge.graph.elementwise_map import (
    ElementwiseMap,
    joined,
    map_of_node,
    map_of_operand,
    map_of_shape,
    moved,
    reduced,
    together,
)
from tqs_edge.graph.foldable_columns import is_safe_in_columns
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.unread import store, without_unread

_Maps = Mapping[str, ElementwiseMap]
MOVES = (Op.RESHAPE, Op.TRANSPOSE, Op.SLICE, Op.UNFOLD)


@dataclass(frozen=True, eq=False)
class _Edits:
    """What folds one map: maps of dense layers' outputs (`rows`) and inputs (`columns`) by the
    layer's name, and constants by path."""

    rows: _Maps = field(default_factory=dict)
    columns: _Maps = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)


def fold_factors(graph: Graph) -> Graph:
    """`graph` without the products and sums with constants that its dense layers can take in.

    Nothing else reads the tensors in between. A weight that several layers share is changed only
    where all of them ask for the same.
    """
    while (folded := _folded_once(graph)) is not None:
        graph = folded
    return graph


def _folded_once(graph: Graph) -> Graph | None:
    for node in graph.nodes:
        if (found := map_of_node(graph, node)) is None:
            continue
        operand, mapped = found
        edits = _push_to(graph, node, operand, mapped)
        if edits is not None and (changed := _changed(graph, edits)) is not None:
            return _bypassed(changed, operand, node.name)
        edits = _absorb(graph, node.name, mapped)
        if edits is None or not is_safe_in_columns(graph, operand, mapped):
            continue
        if (changed := _changed(graph, edits)) is not None:
            return _bypassed(changed, operand, node.name)
    return None


def _is_result(graph: Graph, tensor: str) -> bool:
    return tensor == graph.output or any(state.update == tensor for state in graph.states)


def _all_of(parts: Iterator[_Edits | None]) -> _Edits | None:
    """All edits together; None where one is missing, or two change one constant or one element."""
    total = _Edits()
    for part in parts:
        if part is None or set(part.constants) & set(total.constants):
            return None
        rows, columns = _joint(total.rows, part.rows), _joint(total.columns, part.columns)
        if rows is None or columns is None:
            return None
        total = _Edits(rows, columns, {**total.constants, **part.constants})
    return total


def _joint(a: _Maps, b: _Maps) -> dict[str, ElementwiseMap] | None:
    """The maps of both, by layer; None where two of one layer change the same element."""
    joint = {**a, **b}
    for name in set(a) & set(b):
        both = together(a[name], b[name])
        if both is None:
            return None
        joint[name] = both
    return joint


def _push_to(graph: Graph, reader: Node, tensor: str, mapped: ElementwiseMap) -> _Edits | None:
    """What makes `tensor` hold `mapped` of what it holds now, for `reader` alone: others may only
    be slices of elements that stay as they are."""
    if _is_result(graph, tensor):
        return None
    for other in graph.consumers(tensor):
        if other is reader and other.inputs.count(tensor) == 1:
            continue
        if other.op is not Op.SLICE or not moved(other, mapped).is_identity():
            return None
    node = next((node for node in graph.nodes if node.name == tensor), None)
    return None if node is None else _push(graph, node, mapped)


def _push(graph: Graph, node: Node, mapped: ElementwiseMap) -> _Edits | None:
    """What makes the result of `node` be mapped; None where its operation cannot pass that on."""
    if node.op is Op.DENSE:
        return _Edits(rows={node.name: mapped})
    sources = [name for name in node.inputs if name not in graph.constants]
    if len(sources) < len(node.inputs):
        return _push_past_constant(graph, node, mapped)
    shapes = [graph.shapes[name] for name in sources]
    if node.op in (Op.ADD, Op.SUB):
        if any(shape != node.shape for shape in shapes):
            return None
        maps = [mapped, map_of_shape(node.shape, mapped.scale, 0.0)]
        pairs = zip(sources, maps, strict=True)
        return _all_of(_push_to(graph, node, name, one) for name, one in pairs)
    if node.op is Op.MATMUL:
        if np.ptp(mapped.scale) or mapped.offset.any():
            return None
        maps = [map_of_shape(shape, mapped.scale.flat[0], 0.0) for shape in shapes]
        found = (_push_to(graph, node, *pair) for pair in zip(sources, maps, strict=True))
        return next((edits for edits in found if edits is not None), None)
    inner = map_of_operand(graph, node, mapped)
    return None if inner is None else _push_to(graph, node, sources[0], inner)


def _push_past_constant(graph: Graph, node: Node, mapped: ElementwiseMap) -> _Edits | None:
    """c (x k) = x (c k), and c (x + k) + o = c x + (c k + o)."""
    *tensors, path = node.inputs
    if node.op not in (Op.MUL, Op.ADD) or len(tensors) != 1 or tensors[0] in graph.constants:
        return None
    if len(_readers(graph, path)) != 1 or (node.op is Op.MUL and mapped.offset.any()):
        return None
    constant = graph.constants[path].astype(np.float64)
    value = reduced(mapped.scale * constant + mapped.offset, constant.shape)
    if value is None:
        return None
    edits = _Edits(constants={path: value})
    if node.op is Op.MUL:
        return edits
    if graph.shapes[tensors[0]] != node.shape:
        return None
    inner = map_of_shape(node.shape, mapped.scale, 0.0)
    return _all_of(iter((edits, _push_to(graph, node, tensors[0], inner))))


def _absorb(graph: Graph, tensor: str, mapped: ElementwiseMap) -> _Edits | None:
    """What lets all readers of `tensor` apply `mapped` themselves; None where one cannot."""
    readers = graph.consumers(tensor)
    if _is_result(graph, tensor) or not readers:
        return None
    return _all_of(_absorb_in(graph, reader, tensor, mapped) for reader in readers)


def _absorb_in(graph: Graph, reader: Node, tensor: str, mapped: ElementwiseMap) -> _Edits | None:
    if reader.op is Op.DENSE:
        return _Edits(columns={reader.name: mapped})
    if reader.op is Op.CONCAT and reader.inputs.count(tensor) == 1:
        return _absorb(graph, reader.name, joined(graph, reader, tensor, mapped))
    return _absorb(graph, reader.name, moved(reader, mapped)) if reader.op in MOVES else None


def _readers(graph: Graph, path: str) -> set[str]:
    """The nodes that read a constant."""
    return {node.name for node in graph.nodes if path in (*node.inputs, node.weight, node.bias)}


def _changed(graph: Graph, edits: _Edits) -> Graph | None:
    """The graph with these edits; None where a weight or bias cannot take in what is asked."""
    asked = {**edits.rows, **edits.columns}
    constants = {**graph.constants}
    constants |= {path: value.astype(np.float32) for path, value in edits.constants.items()}
    nodes = {node.name: node for node in graph.nodes}
    new: dict[str, np.ndarray] = {}
    for name, mapped in asked.items():
        node = nodes[name]
        found = _weights_of(graph, node, mapped, in_rows=name in edits.rows)
        if found is None:
            return None
        for path, value in zip((node.weight, node.bias), found, strict=True):
            if path is None:
                continue
            if not _readers(graph, path) <= set(asked):
                return None
            if not np.array_equal(new.setdefault(path, value), value):
                return None
        if node.bias is None and found[1].any():
            nodes[name] = replace(node, bias=store(constants, f"{node.weight}.bias", found[1]))
    constants |= {path: value.astype(np.float32) for path, value in new.items()}
    return replace(graph, nodes=tuple(nodes.values()), constants=constants)


def _weights_of(
    graph: Graph, node: Node, mapped: ElementwiseMap, *, in_rows: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Weight and bias (zeros where there was none) of a dense layer that maps its result, or with
    `in_rows` False its input, float64; None where the map is not one of its rows or columns."""
    weight = graph.constants[str(node.weight)].astype(np.float64)
    bias = np.zeros(len(weight)) if node.bias is None else graph.constants[node.bias]
    extent = weight.shape[0 if in_rows else 1]
    scale, offset = (reduced(part, (extent,)) for part in (mapped.scale, mapped.offset))
    if scale is None or offset is None:
        return None
    if in_rows:
        return scale[:, None] * weight, scale * bias + offset
    return weight * scale, bias + weight @ offset


def _bypassed(graph: Graph, operand: str, removed: str) -> Graph:
    """The graph without the node `removed`, whose readers read its operand; a result of the step
    keeps its name."""
    names = {operand: removed} if _is_result(graph, removed) else {removed: operand}
    nodes = [
        replace(
            node,
            name=names.get(node.name, node.name),
            inputs=tuple(names.get(name, name) for name in node.inputs),
        )
        for node in graph.nodes
        if node.name != removed
    ]
    return without_unread(replace(graph, nodes=tuple(nodes)))
