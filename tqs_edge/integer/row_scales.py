"""Output scales by row, for dense layers that lead straight into states of 32 bits.

What drives a slow pole is as small as 1 - a: rounded to 16 bits of the layer's largest row, little
of it is left. Such a layer writes every row at a scale of its own, and a product with constants
brings the rows to the state's scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tqs_edge.graph.graph import Graph, Node
from tqs_edge.graph.ranges import RANGE_HEADROOM
from tqs_edge.integer.planned_weights import planned_bias, planned_rows
from tqs_edge.integer.program import QTensor
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.quant.scheme import integer_limits

FINEST = 2.001  # accumulator LSBs per output LSB at least, as requantize needs


def row_scales(
    graph: Graph, plan: BitPlan, node: Node, x: QTensor, largest: float
) -> NDArray[np.float64]:
    """Scales (rows,) at which 16 bits hold every row of a dense node that reads `x`.

    A row reaches no further than max|x| * sum|w| + |bias|, nor than the layer's observed `largest`
    with headroom.
    """
    assert node.weight is not None
    blocks = [planned_rows(graph, plan, node.weight, b) for b in plan.weights[node.weight]]
    unit = x.scale * np.concatenate([scale for _, scale in blocks])
    weights = np.concatenate([np.abs(q.astype(np.int64)).sum(axis=1) for q, _ in blocks])
    bound = unit * weights * (1 << (x.bits - 1)) + np.abs(planned_bias(graph, plan, node))
    reach = np.minimum(bound, RANGE_HEADROOM * largest)
    finest = np.where(weights > 0, FINEST * unit, 0.0)
    scales = np.maximum(reach / integer_limits(16)[1], finest)
    return np.where(scales > 0.0, scales, 1.0)
