"""What every width of every site costs: flash, RAM, instructions per step, stored bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from tqs_edge.graph.graph import Graph, Op
from tqs_edge.kernel_table import DENSE_KERNELS, dense_kernel
from tqs_edge.quant.pack import packed_bytes
from tqs_edge.quant.scheme import quantize_rows
from tqs_edge.sensitivity.fake_quant import WIDTHS, site_scale
from tqs_edge.sensitivity.sites import Site, SiteKind

RESOURCES = ("flash", "ram", "insns", "avg_bits")

MULTIPLIER_BYTES = 4  # per row
ACT_PADDING = 16  # elements; dense kernels may read that far (kernels/README.md)
NARROW_INSNS = 12  # per element copied to 8 bits for dense kernels

# Estimated instructions per element; only the sum matters, and it is the same for every plan.
ELEMENTWISE_INSNS = {
    Op.ADD: 14,
    Op.SUB: 14,
    Op.MUL: 12,
    Op.AFFINE: 12,
    Op.TANH: 24,
    Op.SIGMOID: 26,
    Op.RELU: 10,
    Op.SLICE: 3,
    Op.CONCAT: 3,
}
CALL_BYTES = 48  # code of one kernel call with its eight arguments
# Estimated code bytes, until a build of the model has been measured.
STEP_BYTES = 200
TABLE_BYTES = 514
OPERATION_BYTES = 40


@dataclass(frozen=True)
class Fixed:
    """What every plan of a model costs alike: flash bytes, RAM bytes, instructions per step."""

    flash: float
    ram: float
    insns: float


@dataclass(frozen=True, eq=False)
class DenseUse:
    """One dense node reading one weight block, the sites of index `weight` and `activation`.

    flash bytes, instructions, the instructions that a merged call saves, and whether the
    accumulator has 64 bits, each (weight width, act width). previous: index of the use for the rows
    before, with which it shares one call when width and accumulator agree.
    """

    weight: int
    activation: int
    flash: np.ndarray
    insns: np.ndarray
    call_insns: np.ndarray
    acc64: np.ndarray
    previous: int | None


@dataclass(frozen=True, eq=False)
class CostTable:
    """Costs by site and index into WIDTHS; what depends on two widths at once is in `uses`.

    ram, insns: (sites, widths); elements: (sites,), zero where a site holds no weights;
    legal: (sites, widths) bool; kernels: code bytes by weight width, act width, and accumulator of
    32 or 64 bits, counted once for every kernel that a plan calls
    """

    sites: tuple[Site, ...]
    fixed: Fixed
    ram: np.ndarray
    insns: np.ndarray
    elements: np.ndarray
    legal: np.ndarray
    uses: tuple[DenseUse, ...]
    kernels: np.ndarray

    def usage(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Every resource (plans,) of choices (plans, sites) of width indices."""
        choices = np.atleast_2d(choices)
        columns = np.arange(len(self.sites))
        flash = np.full(len(choices), float(self.fixed.flash))
        insns = self.fixed.insns + self.insns[columns, choices].sum(axis=1)
        called = np.zeros((len(choices), *self.kernels.shape), bool)
        for use in self.uses:
            pair = choices[:, use.weight], choices[:, use.activation]
            called[np.arange(len(choices)), *pair, use.acc64[pair].astype(int)] = True
            flash += use.flash[pair]
            insns += use.insns[pair]
            if use.previous is not None:
                before = self.uses[use.previous]
                merged = choices[:, before.weight] == choices[:, use.weight]
                merged &= before.acc64[pair] == use.acc64[pair]
                flash -= CALL_BYTES * merged
                insns -= use.call_insns[pair] * merged
        return {
            "flash": flash + (called * self.kernels).sum(axis=(1, 2, 3)),
            "ram": self.fixed.ram + self.ram[columns, choices].sum(axis=1),
            "insns": insns,
            "avg_bits": self.elements / self.elements.sum() @ np.array(WIDTHS)[choices.T],
        }


def cost_table(
    graph: Graph,
    sites: tuple[Site, ...],
    ranges: Mapping[str, float],
    isa: str,
    fixed: Fixed | None = None,
) -> CostTable:
    """The costs on cores of class `isa` ("v6m", "v7m", "dsp").

    ranges: largest magnitudes by tensor, which decide where a 32-bit accumulator is proven.
    fixed: measured by building the model once; estimated when None.
    """
    shape = len(sites), len(WIDTHS)
    ram, insns, legal = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    elements = np.zeros(len(sites))
    for i, site in enumerate(sites):
        legal[i] = [bits in site.widths for bits in WIDTHS]
        padded = -(-site.elements // ACT_PADDING) * ACT_PADDING
        if site.kind is SiteKind.WEIGHT:
            elements[i] = site.elements
        elif site.kind is SiteKind.STATE:
            ram[i] = [padded * bits // 8 for bits in WIDTHS]
        else:
            ram[i] = [padded if bits == 8 else 0 for bits in WIDTHS]
            insns[i] = [NARROW_INSNS * site.elements if bits == 8 else 0 for bits in WIDTHS]
    uses = _dense_uses(graph, sites, ranges, isa)
    common = fixed or estimate_fixed(graph)
    kernels = _kernel_bytes(isa)
    return CostTable(sites, common, ram, insns, elements, legal, uses, kernels)


def _kernel_bytes(isa: str) -> np.ndarray:
    """Code bytes of every dense kernel, by index of weight width, act width and accumulator."""
    table = np.zeros((len(WIDTHS), len(WIDTHS), 2))
    for kernel in DENSE_KERNELS:
        widths = WIDTHS.index(kernel.weight_bits), WIDTHS.index(kernel.act_bits)
        table[(*widths, kernel.acc_bits // 64)] = kernel.code_bytes[isa]
    return table


def estimate_fixed(graph: Graph) -> Fixed:
    """A guess at what all plans share, from the operations of the step."""
    insns = sum(ELEMENTWISE_INSNS.get(node.op, 0) * prod(node.shape) for node in graph.nodes)
    elementwise = [node for node in graph.nodes if node.op in ELEMENTWISE_INSNS]
    has_table = any(node.op in (Op.TANH, Op.SIGMOID) for node in elementwise)
    code = STEP_BYTES + TABLE_BYTES * has_table + OPERATION_BYTES * len(elementwise)
    return Fixed(code, 2 * _peak_elements(graph), insns)


def _peak_elements(graph: Graph) -> int:
    """Most elements alive at once while the step runs, states apart."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    last[graph.output] = len(graph.nodes)
    last.update({state.update: len(graph.nodes) for state in graph.states})
    alive = {graph.input: prod(graph.shapes[graph.input])}
    peak = 0
    for i, node in enumerate(graph.nodes):
        alive[node.name] = prod(node.shape)
        peak = max(peak, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last.get(name, -1) > i}
    return peak


def _dense_uses(
    graph: Graph, sites: tuple[Site, ...], ranges: Mapping[str, float], isa: str
) -> tuple[DenseUse, ...]:
    activations = {s.tensor: i for i, s in enumerate(sites) if s.kind is SiteKind.ACTIVATION}
    uses: list[DenseUse] = []
    for node in graph.dense_nodes():
        column = activations[node.inputs[0]]
        vectors = prod(graph.shapes[node.inputs[0]][:-1])
        previous = None
        for i, site in enumerate(sites):
            if site.kind is not SiteKind.WEIGHT or site.tensor != node.weight:
                continue
            bias = np.zeros(site.end - site.begin)
            if node.bias is not None:
                bias = np.abs(graph.constants[node.bias][site.begin : site.end])
            weights = graph.constants[site.tensor][site.begin : site.end]
            flash, insns, call, acc64 = _block_costs(weights, bias, ranges, node.inputs[0], isa)
            insns, call = vectors * insns, vectors * call
            uses.append(DenseUse(i, column, flash, insns, call, acc64, previous))
            previous = len(uses) - 1
    return tuple(uses)


def _block_costs(
    weights: np.ndarray, bias: np.ndarray, ranges: Mapping[str, float], tensor: str, isa: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of a DenseUse for one kernel call."""
    rows, depth = weights.shape
    shape = len(WIDTHS), len(WIDTHS)
    flash, insns, call = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    acc64 = np.zeros(shape, bool)
    for k, weight_bits in enumerate(WIDTHS):
        q, scale = quantize_rows(weights, weight_bits)
        row_sum = np.abs(q.astype(np.int64)).sum(axis=1)
        for a, act_bits in enumerate(WIDTHS):
            if act_bits < 8:
                continue
            q_bias = bias / (scale * site_scale(ranges, tensor, act_bits))
            reach = float((q_bias + (1 << (act_bits - 1)) * row_sum).max())
            acc64[k, a] = weight_bits == 16 or reach >= 2.0**31
            acc_bits = 64 if acc64[k, a] else 32
            flash[k, a] = CALL_BYTES + packed_bytes(rows, depth, weight_bits)
            flash[k, a] += rows * (MULTIPLIER_BYTES + acc_bits // 8)
            kernel = dense_kernel(act_bits, weight_bits, acc_bits)
            insns[k, a] = kernel.instructions(isa, rows, depth)
            call[k, a] = kernel.costs[isa].call
    return flash, insns, call, acc64
