"""Whether the columns of a weight can take in a factor for each: on what they would multiply."""

from __future__ import annotations

import numpy as np

from tqs_edge.graph.elementwise_map import ElementwiseMap
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.graph import Graph, Op

NARROW = 4.0  # factors within this ratio cost a column two bits at most
PROBES = ((1.0, 0.0), (16.0, 0.0), (1.0, 4.0))  # ratio of one feature to the next, level
SAMPLES = 64


def is_safe_in_columns(graph: Graph, tensor: str, mapped: ElementwiseMap) -> bool:
    """Whether weights by `mapped` of a tensor, instead of that, keep the accuracy of what they
    multiply, whatever the units of the model's inputs.

    A normalized tensor is near zero and one throughout. Of others an offset may be a level that
    they all have, which rounded weights must not multiply; and factors that even out what differs
    by orders of magnitude, as standard deviations of features do, would leave some columns without
    bits, so elements with factors far apart must be of like size.
    """
    if _is_normalized(graph, tensor):
        return True
    factors = np.abs(mapped.scale)
    if mapped.offset.any() or not factors.any():
        return False
    if factors.max() <= NARROW * factors[factors > 0].min():
        return True
    axes = tuple(axis for axis, extent in enumerate(factors.shape) if extent > 1)
    differing = tuple(axis for axis in axes if np.ptp(mapped.scale, axis=axis).any())
    sizes = (_sizes(graph, tensor, *probe) for probe in PROBES)
    return all(_are_alike(size, differing) for size in sizes)


def _is_normalized(graph: Graph, tensor: str) -> bool:
    node = next((node for node in graph.nodes if node.name == tensor), None)
    if node is not None and node.op is Op.MUL and node.inputs[1] in graph.constants:
        return _is_normalized(graph, node.inputs[0])
    return node is not None and node.op is Op.NORMALIZE


def _are_alike(size: np.ndarray, axes: tuple[int, ...]) -> bool:
    most = size.max(axes, keepdims=True)
    return bool((np.where(size > 0, size, most) * NARROW >= most).all())


def _sizes(graph: Graph, tensor: str, ratio: float, level: float) -> np.ndarray:
    """The RMS of every element of `tensor` over random inputs and states."""
    import torch

    random = np.random.default_rng(0)

    def drawn(name: str) -> torch.Tensor:
        value = random.standard_normal((SAMPLES, *graph.shapes[name]))
        if name == graph.input:
            value = level + value * ratio ** np.arange(value.shape[-1])
        return torch.from_numpy(value)

    names = [graph.input, *([graph.exog] if graph.exog else [])]
    values = {name: drawn(name) for name in (*names, *(state.name for state in graph.states))}
    constants = {
        path: torch.from_numpy(array.astype(np.float64)) for path, array in graph.constants.items()
    }
    with torch.no_grad():
        made = step(graph, values, weight=constants.__getitem__)[tensor]
    return np.asarray(made.square().mean(0).sqrt().numpy())
