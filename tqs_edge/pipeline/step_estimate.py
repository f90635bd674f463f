"""What a step takes beside its dense kernels, before anything is built: the loops and calls that
the compiler makes of it, times what each costs on the core (kernel_costs.json)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from tqs_edge.codegen.join_loops import emitted_calls
from tqs_edge.codegen.operation_counts import ARGUMENT
from tqs_edge.codegen.step_profile import call_profile, dense_instructions
from tqs_edge.codegen.weights_image import HEADER_BYTES
from tqs_edge.graph.dense_views import dense_inputs, unmoved
from tqs_edge.graph.graph import Graph
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import DenseOp, IntegerProgram
from tqs_edge.kernel_table import DENSE_KERNELS, STEP_COSTS
from tqs_edge.passes.assign_storage import assign_storage
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.step_calls import Copy, StepCalls
from tqs_edge.pipeline.usage import INSTANCE_BYTES
from tqs_edge.plan.cost import CALL_BYTES
from tqs_edge.plan.fixed_cost import Fixed
from tqs_edge.plan.uniform import STATE_BITS, uniform_plan
from tqs_edge.quant.scheme import quantize_rows

DENSE_ARGUMENTS = 8


@dataclass(frozen=True)
class _Step:
    """One lowering: instructions and bytes of code by the tensor that a call makes, bytes of other
    kernels and tables than dense ones, arena."""

    program: IntegerProgram
    insns: Mapping[str, float]
    code: Mapping[str, float]
    linked: float
    arena: int


@dataclass(frozen=True)
class PlanEstimate:
    """What one plan takes: bytes of code, instructions per step, and those of them that are not
    dense kernels'."""

    code: float
    insns: float
    loops: float


def estimate_plan(program: IntegerProgram, isa: str) -> PlanEstimate:
    """The costs of all calls of the lowered program on cores of class `isa`."""
    costs, kernels = STEP_COSTS[isa], {kernel.symbol: kernel.costs[isa] for kernel in DENSE_KERNELS}
    step = emitted_calls(lower_program(program), program)
    profiles = [call_profile(call, isa) for call in step.calls]
    calls = [call for profile in profiles for call in profile.dense]
    argument = DENSE_ARGUMENTS * costs.features.get(ARGUMENT, (0.0, 0.0))[0]
    insns = costs.around[0] + argument * sum(call.times for call in calls)
    code = costs.around[1] + CALL_BYTES * len(calls)
    features = [(profile.executed, profile.written) for profile in profiles]
    for counts in (*features, *_copies(step)):
        executed, written = costs.of(*counts)
        insns, code = insns + executed, code + written
    linked = frozenset[str]().union(*(profile.linked for profile in profiles))
    code += sum(costs.linked.get(symbol, 0) for symbol in linked)
    code += sum(kernels[symbol].code_bytes for symbol in {call.symbol for call in calls})
    return PlanEstimate(code, insns + dense_instructions(calls, kernels), insns)


def _copies(step: StepCalls) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Features, executed and written, of what storage copies beside the calls."""
    storage = assign_storage(step)
    copies = [call for call in storage.calls if isinstance(call, Copy)]
    counts = [float(storage.tensors[copy.input].elements) for copy in copies]
    return [({"copy": 1.0, "copied": count}, {"copy": 1.0}) for count in counts]


def estimate_step(
    graph: Graph, ranges: Mapping[str, float], isa: str, state_bits: int | None = None
) -> Fixed:
    """The costs that all plans of the graph share on cores of class `isa`, and what activations of
    8 bits add, from two uniform plans. Raises what integer.build.build_program raises."""
    wide, narrow = (
        _lowered(graph, ranges, isa, code, state_bits or STATE_BITS) for code in ("a16w8", "a8w8")
    )
    costs = STEP_COSTS[isa]
    names = [n for n in (graph.input, graph.exog, graph.output) if n is not None]
    kept = sum(prod(state.shape) for state in graph.states if state.rows_of is not None)
    rows = sum(prod(graph.shapes[name]) for name in names)
    known = {state.name for state in graph.states}
    added = [wide.program.tensors[s.name] for s in wide.program.states if s.name not in known]
    own = sum(prod(tensor.shape) * tensor.bits // 8 for tensor in added)  # carried sums
    return Fixed(
        flash=HEADER_BYTES + costs.around[1] + wide.linked + sum(wide.code.values()),
        ram=INSTANCE_BYTES + wide.arena + 2 * (kept + rows) + own,
        insns=costs.around[0] + sum(wide.insns.values()),
        narrow=_by_activation(graph, narrow.program, wide.insns, narrow.insns),
        narrow_flash=_by_activation(graph, narrow.program, wide.code, narrow.code),
        call=DENSE_ARGUMENTS * costs.features.get(ARGUMENT, (0.0, 0.0))[0],
        factors=_factors(graph, wide.program, narrow.program),
    )


def _lowered(
    graph: Graph, ranges: Mapping[str, float], isa: str, code: str, state_bits: int
) -> _Step:
    program = build_program(graph, uniform_plan(graph, code, state_bits), ranges)
    step = emitted_calls(lower_program(program), program)
    costs = STEP_COSTS[isa]
    insns: defaultdict[str, float] = defaultdict(float)
    size: defaultdict[str, float] = defaultdict(float)
    linked: set[str] = set()
    for call in step.calls:
        profile = call_profile(call, isa)
        executed, written = costs.of(profile.executed, profile.written)
        for part in call.parts[:-1]:  # what is left is what the last one adds
            alone = call_profile(part, isa)
            own_executed, own_written = costs.of(alone.executed, alone.written)
            insns[part.output] += own_executed
            size[part.output] += own_written
            executed, written = executed - own_executed, written - own_written
        insns[call.output] += executed
        size[call.output] += written
        linked |= profile.linked
        if not profile.dense:
            size[call.output] += sum(o.nbytes for o in call.operands if isinstance(o, np.ndarray))
    for number, counts in enumerate(_copies(step)):
        insns[f"copy {number}"], size[f"copy {number}"] = costs.of(*counts)
    extra = sum(costs.linked.get(symbol, 0) for symbol in linked)
    return _Step(program, insns, size, extra, assign_storage(step).memory.arena_bytes)


def _factors(graph: Graph, *programs: IntegerProgram) -> dict[str, dict[int, np.ndarray]]:
    """Fixed.factors, of programs of uniform plans with 8-bit weights."""
    found: dict[str, dict[int, np.ndarray]] = {node.name: {} for node in graph.dense_nodes()}
    for program in programs:
        dense = {op.output: op for op in program.ops if isinstance(op, DenseOp)}
        for node in graph.dense_nodes():
            op = dense.get(node.name) or dense.get(f"{node.name}_rows")  # of 32 bits
            if op is None or node.weight is None:
                continue
            _, scale = quantize_rows(graph.constants[node.weight], 8)
            bits = program.tensors[op.input].bits
            multipliers = [block.multiplier * 2.0**-block.shift for block in op.blocks]
            found[node.name][bits] = np.concatenate(multipliers) / scale
    return found


def _by_activation(
    graph: Graph, program: IntegerProgram, wide: Mapping[str, float], narrow: Mapping[str, float]
) -> dict[str, float]:
    """What each activation of 8 bits adds: of the calls that make its copy in `program`, and its
    part, by elements, of what else differs. wide, narrow: costs by the tensor that a call makes."""
    read = {op.output: op.input for op in program.ops if isinstance(op, DenseOp)}
    tensors = dense_inputs(graph)
    more = {name: narrow.get(name, 0.0) - wide.get(name, 0.0) for name in {**narrow, **wide}}
    own = dict.fromkeys(tensors, 0.0)
    taken: set[str] = set()
    for node in graph.dense_nodes():
        copy = read.get(node.name, "")
        if copy in more and copy not in taken:
            own[node.inputs[0]] += more[copy]
            taken.add(copy)
    rest = sum(n for name, n in more.items() if name not in taken)
    counts = {name: prod(graph.shapes[unmoved(graph, name)]) for name in tensors}
    total = sum(counts.values())
    return {name: own[name] + rest * counts[name] / total for name in tensors}
