"""What every width of every site costs: flash, RAM, instructions per step, stored bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph, Node
from tqs_edge.kernel_table import DENSE_KERNELS, dense_kernel
from tqs_edge.plan.fixed_cost import NOTHING_FIXED, Fixed
from tqs_edge.plan.wide_states import WIDE_STATE_BITS
from tqs_edge.quant.fixed_point import SHORT_BOUND
from tqs_edge.quant.pack import packed_bytes
from tqs_edge.quant.scheme import quantize_rows
from tqs_edge.sensitivity.fake_quant import WIDTHS, site_scale
from tqs_edge.sensitivity.sites import ACTIVATION_WIDTHS, Site, SiteKind

RESOURCES = ("flash", "ram", "insns", "avg_bits")

MULTIPLIER_BYTES = 4  # per row
ACT_PADDING = 16  # elements; dense kernels may read that far (kernels/README.md)
LARGE_FACTOR = 0.25  # from which on the shift is LEAST_SHIFT
CALL_BYTES = 40  # code of a kernel call: three addresses, five numbers on the stack, a branch


@dataclass(frozen=True, eq=False)
class DenseUse:
    """One dense node reading one weight block, the sites of index `weight` and `activation`.

    flash bytes, instructions, the instructions that a merged call saves, and whether the
    accumulator has 64 bits, each (weight width, act width). The packed rows, which all uses of a
    block share, count in the first. previous: index of the use for the rows before, with which it
    shares one call when width and accumulator agree.
    """

    weight: int
    activation: int
    flash: np.ndarray
    insns: np.ndarray
    call_insns: np.ndarray
    acc64: np.ndarray
    previous: int | None


@dataclass(frozen=True, eq=False)
class StackedUses:
    """The dense uses as arrays: weight, activation and previous (uses,), previous -1 where there is
    none; flash, insns, call_insns, acc64 (uses, weight widths, act widths).

    merges: (uses, weight widths, act widths), whether the use shares the call of its previous one
    when that has the same weight width; kernel: same shape, index of the kernel called in the
    raveled CostTable.kernels
    """

    weight: np.ndarray
    activation: np.ndarray
    previous: np.ndarray
    flash: np.ndarray
    insns: np.ndarray
    call_insns: np.ndarray
    acc64: np.ndarray
    merges: np.ndarray
    kernel: np.ndarray


@dataclass(frozen=True, eq=False)
class CostTable:
    """Costs by site and index into WIDTHS; what depends on two widths at once is in `uses`.

    ram, insns: (sites, widths); elements: (sites,), zero where a site holds no weights;
    legal: (sites, widths) bool; kernels: code bytes by weight width, act width, and accumulator of
    32 or 64 bits, counted once for every kernel that a plan calls; wide_states: those that have 32
    bits whatever is chosen
    """

    sites: tuple[Site, ...]
    fixed: Fixed
    ram: np.ndarray
    insns: np.ndarray
    elements: np.ndarray
    legal: np.ndarray
    uses: tuple[DenseUse, ...]
    kernels: np.ndarray
    wide_states: frozenset[str] = frozenset()

    @cached_property
    def shares(self) -> np.ndarray:
        """Each site's part of all weights (sites,); zeros without weights."""
        return np.asarray(self.elements / max(1.0, float(self.elements.sum())))

    @cached_property
    def stacked(self) -> StackedUses:
        """`uses` as arrays."""
        previous = np.array([-1 if u.previous is None else u.previous for u in self.uses], np.int64)
        cells = len(self.uses), len(WIDTHS), len(WIDTHS)
        acc64 = np.array([u.acc64 for u in self.uses], bool).reshape(cells)
        merges = (previous >= 0)[:, None, None] & (acc64[previous] == acc64)
        return StackedUses(
            np.array([use.weight for use in self.uses], np.int64),
            np.array([use.activation for use in self.uses], np.int64),
            previous,
            np.array([use.flash for use in self.uses]).reshape(cells),
            np.array([use.insns for use in self.uses]).reshape(cells),
            np.array([use.call_insns for use in self.uses]).reshape(cells),
            acc64,
            merges,
            np.arange(len(WIDTHS) ** 2).reshape(cells[1:]) * 2 + acc64,
        )

    @property
    def fixed_usage(self) -> dict[str, float]:
        """What `fixed` takes of every resource."""
        fixed = self.fixed
        return {"flash": fixed.flash, "ram": fixed.ram, "insns": fixed.insns, "avg_bits": 0.0}

    def usage(self, choices: np.ndarray) -> dict[str, np.ndarray]:
        """Every resource (plans,) of choices (plans, sites) of width indices."""
        choices = np.atleast_2d(choices)
        columns = np.arange(len(self.sites))
        uses = self.stacked
        weight, act = choices[:, uses.weight], choices[:, uses.activation]
        cell = np.arange(len(self.uses)), weight, act
        merged = uses.merges[cell] & (weight == weight[:, uses.previous])
        called = np.zeros((len(choices), self.kernels.size), bool)
        np.put_along_axis(called, uses.kernel[cell], True, axis=1)
        flash = uses.flash[cell].sum(axis=1) - CALL_BYTES * merged.sum(axis=1)
        insns = uses.insns[cell].sum(axis=1) - (uses.call_insns[cell] * merged).sum(axis=1)
        return {
            "flash": self.fixed.flash + flash + called @ self.kernels.ravel(),
            "ram": self.fixed.ram + self.ram[columns, choices].sum(axis=1),
            "insns": self.fixed.insns + insns + self.insns[columns, choices].sum(axis=1),
            "avg_bits": self.shares @ np.array(WIDTHS)[choices.T],
        }


def cost_table(
    graph: Graph,
    sites: tuple[Site, ...],
    ranges: Mapping[str, float],
    isa: str,
    fixed: Fixed = NOTHING_FIXED,
    wide_states: frozenset[str] = frozenset(),
) -> CostTable:
    """The costs on cores of class `isa`, of kernel_table.ISA_FOLDERS.

    ranges: largest magnitudes by tensor, which decide where a 32-bit accumulator is proven.
    fixed: what is known of the step beside its dense kernels.
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
            wide = site.tensor in wide_states
            ram[i] = [padded * (WIDE_STATE_BITS if wide else bits) // 8 for bits in WIDTHS]
        else:
            count = prod(graph.shapes[unmoved(graph, site.tensor)])  # narrowed before it is moved
            padded = -(-count // ACT_PADDING) * ACT_PADDING
            ram[i] = [padded if bits == 8 else 0 for bits in WIDTHS]
            insns[i] = [fixed.narrow.get(site.tensor, 0.0) if bits == 8 else 0 for bits in WIDTHS]
    uses = _dense_uses(graph, sites, ranges, isa, fixed)
    kernels = _kernel_bytes(isa)
    return CostTable(sites, fixed, ram, insns, elements, legal, uses, kernels, wide_states)


def _kernel_bytes(isa: str) -> np.ndarray:
    """Code bytes of every dense kernel, by index of weight width, act width and accumulator."""
    table = np.zeros((len(WIDTHS), len(WIDTHS), 2))
    for kernel in DENSE_KERNELS:
        widths = WIDTHS.index(kernel.weight_bits), WIDTHS.index(kernel.act_bits)
        table[(*widths, kernel.acc_bits // 64)] = kernel.costs[isa].code_bytes
    return table


def _dense_uses(
    graph: Graph, sites: tuple[Site, ...], ranges: Mapping[str, float], isa: str, fixed: Fixed
) -> tuple[DenseUse, ...]:
    activations = {s.tensor: i for i, s in enumerate(sites) if s.kind is SiteKind.ACTIVATION}
    uses: list[DenseUse] = []
    for node in graph.dense_nodes():
        column = activations[node.inputs[0]]
        vectors = prod(graph.shapes[node.inputs[0]][:-1])
        layer = _rows_of(graph, node, ranges, fixed.factors.get(node.name, {}))
        blocks: list[_Rows] = []
        for i, site in enumerate(sites):
            if site.kind is not SiteKind.WEIGHT or site.tensor != node.weight:
                continue
            blocks.append(layer.between(site.begin, site.end))
            flash = blocks[-1].flash(stored=any(use.weight == i for use in uses))
            if not any(use.activation == column for use in uses):
                flash[:, WIDTHS.index(8)] += fixed.narrow_flash.get(node.inputs[0], 0.0)
            insns, call = _block_insns(blocks, layer, isa)
            previous = len(uses) - 1 if len(blocks) > 1 else None
            insns = vectors * (insns + fixed.call)
            call = vectors * (call + fixed.call) if previous is not None else call
            uses.append(DenseUse(i, column, flash, insns, call, blocks[-1].acc64, previous))
    return tuple(uses)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows of a dense node: reach, the largest accumulators, and large, whether a row's factor
    leaves no larger shift than LEAST_SHIFT, both (weight widths, act widths, rows)."""

    depth: int
    reach: np.ndarray
    large: np.ndarray

    @property
    def rows(self) -> int:
        return int(self.reach.shape[2])

    def between(self, begin: int, end: int) -> _Rows:
        """Some of the rows."""
        return _Rows(self.depth, self.reach[:, :, begin:end], self.large[:, :, begin:end])

    @cached_property
    def acc64(self) -> np.ndarray:
        """Whether a call for these rows accumulates in 64 bits, by both widths."""
        wide = np.array(WIDTHS)[:, None] == 16
        return np.asarray(wide | (self.reach.max(axis=2) >= 2.0**31))

    @cached_property
    def least(self) -> np.ndarray:
        """Whether a call for these rows shifts by LEAST_SHIFT, by both widths: as one row has to
        (quant.fixed_point.to_multiplier_shift) or as all may (output_multiplier_shift)."""
        return np.asarray(self.large.any(axis=2) | (self.reach.max(axis=2) <= SHORT_BOUND))

    def flash(self, *, stored: bool) -> np.ndarray:
        """Bytes of a call and its constants, by both widths; stored: whether the packed rows are
        already counted."""
        flash = CALL_BYTES + self.rows * (MULTIPLIER_BYTES + np.where(self.acc64, 8.0, 4.0))
        packed = [0 if stored else packed_bytes(self.rows, self.depth, bits) for bits in WIDTHS]
        legal = [bits in ACTIVATION_WIDTHS for bits in WIDTHS]
        return np.asarray((flash + np.array(packed)[:, None]) * legal)

    def insns(self, isa: str, cell: tuple[int, int], rows: int, least: np.ndarray) -> float:
        """Instructions of a call for so many rows of this kind."""
        act_bits, weight_bits = WIDTHS[cell[1]], WIDTHS[cell[0]]
        kernel = dense_kernel(act_bits, weight_bits, 64 if self.acc64[cell] else 32)
        return kernel.instructions(isa, rows, self.depth, least_shift=bool(least[cell]))


def _rows_of(
    graph: Graph, node: Node, ranges: Mapping[str, float], factors: Mapping[int, np.ndarray]
) -> _Rows:
    """All rows of a dense node. factors: as in Fixed."""
    assert node.weight is not None
    weights = graph.constants[node.weight]
    bias = np.zeros(len(weights)) if node.bias is None else np.abs(graph.constants[node.bias])
    shape = len(WIDTHS), len(WIDTHS), len(weights)
    reach, large = np.zeros(shape), np.zeros(shape, bool)
    for k, weight_bits in enumerate(WIDTHS):
        q, scale = quantize_rows(weights, weight_bits)
        row_sum = np.abs(q.astype(np.int64)).sum(axis=1)
        for act_bits in ACTIVATION_WIDTHS:
            cell = k, WIDTHS.index(act_bits)
            unit = scale * site_scale(ranges, node.inputs[0], act_bits)
            reach[cell] = bias / unit + (1 << (act_bits - 1)) * row_sum
            if act_bits in factors:  # zeros have any factor
                large[cell] = (scale * factors[act_bits] >= LARGE_FACTOR) & (row_sum > 0)
    return _Rows(weights.shape[1], reach, large)


def _block_insns(blocks: Sequence[_Rows], layer: _Rows, isa: str) -> tuple[np.ndarray, np.ndarray]:
    """insns and call_insns of a DenseUse for the last of a node's blocks so far.

    A call shifts as its rows need together. Blocks that share a call are taken to shift as all rows
    of the node do, which is so where all share one; the first is corrected where the second joins.
    """
    insns, call = np.zeros((2, len(WIDTHS), len(WIDTHS)))
    block, before = blocks[-1], blocks[-2] if len(blocks) > 1 else None
    for a in map(WIDTHS.index, ACTIVATION_WIDTHS):
        for k in range(len(WIDTHS)):
            cell = k, a
            insns[cell] = block.insns(isa, cell, block.rows, block.least)
            if before is None or before.acc64[cell] != block.acc64[cell]:
                continue
            both = block.insns(isa, cell, before.rows + block.rows, layer.least)
            # What the rows before are reckoned at where they join others themselves.
            counted = before.least if len(blocks) == 2 else layer.least
            call[cell] = insns[cell] + block.insns(isa, cell, before.rows, counted) - both
    return insns, call
