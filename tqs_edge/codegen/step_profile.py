"""What a call of the step executes, as counts of features: operations of loops, sizes of kernels.

The planner multiplies them by what the compiler makes of each on a core (kernel_costs.json).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from tvm import tirx

from tqs_edge.codegen.lanes import LANES, lanes_loop, nest_of
from tqs_edge.codegen.operation_counts import DenseCall, OperationCounts
from tqs_edge.codegen.tir_to_c import pointer_parameters
from tqs_edge.kernel_table import DENSE_KERNELS, LEAST_SHIFT, Cost
from tqs_edge.passes.step_calls import StepCall

LANES_ISA = "mve"  # the class of cores whose loops take eight elements per pass
LANES_FUNCTION = re.compile(r"\btqs_((?:lanes|wide)_\w+)\(")
TABLE_READERS = ("lanes_tanh_q15", "lanes_sigmoid_q15")
VECTOR = 8  # 16-bit elements of a vector, of which GCC makes plain loops by itself
PLAIN = {"add", "shift", "multiply", "compare", "select", "fit16", "load", "store", "index"}


@dataclass(frozen=True, eq=False)
class StepProfile:
    """What one or more calls of the step do.

    executed: features per step; written: how often the code has them; dense: the calls of dense
    kernels, which are no features; linked: other kernels and tables that the code needs
    """

    executed: Mapping[str, float]
    written: Mapping[str, float]
    dense: tuple[DenseCall, ...]
    linked: frozenset[str]


def call_profile(call: StepCall, isa: str) -> StepProfile:
    """The profile of one call on cores of class `isa`."""
    if isa == LANES_ISA:
        lines = lanes_loop(pointer_parameters(call.func))
        if lines is not None:
            return _lanes_profile(lines, nest_of(call.func))
    counts = OperationCounts()
    counts.statement(call.func.body, 1.0)
    executed, written = dict(counts.executed), dict(counts.written)
    if isa == LANES_ISA and _is_vectorized(call.func, set(written)):
        executed = {f"vector {feature}": n for feature, n in executed.items()}
        written = {f"vector {feature}": n for feature, n in written.items()}
    return StepProfile(executed, written, tuple(counts.dense), frozenset(counts.linked))


def _lanes_profile(lines: Sequence[str], loops: Sequence[tirx.For]) -> StepProfile:
    """Of loops, the innermost on lanes: the functions of tqs_lanes.h that their C calls."""
    begun = prod(int(loop.extent) for loop in loops[:-1])
    passes = begun * -(-int(loops[-1].extent) // LANES)
    used = Counter(LANES_FUNCTION.findall("\n".join(lines)))
    linked = frozenset({"tqs_tanh_table"} if used.keys() & set(TABLE_READERS) else ())
    return StepProfile(
        {"lanes loop": begun, "lanes pass": passes, **{f: n * passes for f, n in used.items()}},
        {"lanes loop": 1.0, **{f: float(n) for f, n in used.items()}},
        (),
        linked,
    )


def _loops(func: tirx.PrimFunc) -> list[tirx.For]:
    """The loops that follow each other in the function."""
    body = func.body.seq if isinstance(func.body, tirx.SeqStmt) else [func.body]
    return [stmt for stmt in body if isinstance(stmt, tirx.For)]


def _is_vectorized(func: tirx.PrimFunc, features: set[str]) -> bool:
    """Whether compilers take several elements per pass without being told."""
    loops = _loops(func)
    kinds = {"inner", "outer", "short"}
    plain = {feature for feature in features if feature.split()[0] not in kinds} <= PLAIN
    flat = "inner loop" not in features or "outer loop" not in features
    return plain and flat and bool(loops) and all(int(f.extent) % VECTOR == 0 for f in loops)


def dense_instructions(calls: Sequence[DenseCall], costs: Mapping[str, Cost]) -> float:
    """Instructions per step of dense kernels, of known costs by symbol."""
    groups = {kernel.symbol: kernel.group for kernel in DENSE_KERNELS}
    return sum(
        c.times
        * costs[c.symbol].of(
            c.rows, -(-c.depth // groups[c.symbol]), least_shift=c.shift == LEAST_SHIFT
        )
        for c in calls
    )
