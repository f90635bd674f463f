"""8-bit copies of 16-bit tensors that remember what rounding left of the step before.

Rounding x to 8 bits at every step anew leaves an error that a slow model adds up. First-order error
feedback (Schreier and Temes, Understanding Delta-Sigma Data Converters, 2005) keeps the rest and
rounds it with the next value:

    total = sat16(x + rest),  copy = sat8((total + 128) >> 8),  rest' = sat8(total - 256 copy)

with 256 LSBs of total and rest to one of the copy, whose zero point total has 256 times. Over many
steps the copies then sum to what x sums to. Nothing of the rest is lost where the copy does not
saturate; where it does, the rest is cut off, so that it never winds up. It is a state like others,
zero at first.
"""

from __future__ import annotations

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph
from tqs_edge.integer.constants import affine_op
from tqs_edge.integer.program import AffineOp, Grid, QTensor
from tqs_edge.plan.bit_plan import BitPlan

COPY_BITS, REST_BITS = 8, 8


def fed_tensors(graph: Graph, plan: BitPlan) -> frozenset[str]:
    """The tensors whose 8-bit copies take the plan's error feedback: where they are computed."""
    return frozenset(unmoved(graph, name) for name in plan.feedback)


def rest_grid(copy: QTensor) -> Grid:
    """What holds what rounding to `copy` leaves: its LSB is the whole range."""
    return Grid(REST_BITS, copy.scale / (1 << REST_BITS))


def total_grid(copy: QTensor) -> Grid:
    """What holds a number and the rest added to it: the range of `copy`, at the rest's scale."""
    return Grid(COPY_BITS + REST_BITS, rest_grid(copy).scale, copy.zero_point << REST_BITS)


def feedback_ops(
    x: QTensor, rest: QTensor, total: QTensor, copy: QTensor, left: QTensor
) -> list[AffineOp]:
    """The three operations: total = x + rest, its copy, and what is left of it.

    total is on total_grid(copy), rest and left are on rest_grid(copy).
    """
    return [
        affine_op((x, rest), (1.0, 1.0), 0.0, total),
        affine_op((total,), (1.0,), 0.0, copy),
        affine_op((total, copy), (1.0, -1.0), 0.0, left),
    ]
