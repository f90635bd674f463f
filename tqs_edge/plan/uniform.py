"""Plans with one width for all weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.graph.dense_views import dense_inputs
from tqs_edge.graph.graph import Graph
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.plan.budget import fits
from tqs_edge.plan.cost import CostTable
from tqs_edge.plan.wide_states import WIDE_STATE_BITS
from tqs_edge.sensitivity.fake_quant import WIDTHS
from tqs_edge.sensitivity.sites import ACTIVATION_WIDTHS, STATE_WIDTHS, WEIGHT_WIDTHS, SiteKind

STATE_BITS = 16  # recurrent state stays wide (kernels/README.md)


def parse_width_code(code: str) -> tuple[int, int]:
    """(activation bits, weight bits) of a code such as "a8w4". Raises InputError."""
    match = re.fullmatch(r"a(\d+)w(\d+)", code)
    widths = (int(match[1]), int(match[2])) if match else (0, 0)
    if widths[0] not in ACTIVATION_WIDTHS or widths[1] not in WEIGHT_WIDTHS:
        raise InputError(
            f"'{code}' is not a width code; use a8 or a16 followed by w2, w4, w8 or w16, as in a8w8"
        )
    return widths


def uniform_plan(graph: Graph, code: str, state_bits: int = STATE_BITS) -> BitPlan:
    """The plan `code` ("a8w8", "a16w4", ...), states at `state_bits`. Raises InputError."""
    if state_bits not in (*STATE_WIDTHS, WIDE_STATE_BITS):
        raise InputError(f"states take 8, 16 or 32 bits, not {state_bits}")
    act_bits, weight_bits = parse_width_code(code)
    paths = dict.fromkeys(node.weight for node in graph.dense_nodes() if node.weight)
    return BitPlan(
        weights={p: (RowBlock(0, len(graph.constants[p]), weight_bits),) for p in paths},
        activations={name: act_bits for name in dense_inputs(graph)},
        states={state.name: state_bits for state in graph.states if state.rows_of is None},
        method="uniform",
    )


def width_code(costs: CostTable, allowed: np.ndarray, choice: np.ndarray) -> str:
    """The code, as "a16w4", of a uniform choice (sites,); pinned sites count only without others.

    allowed: (sites, widths) bool
    """
    widest = []
    for kind in (SiteKind.ACTIVATION, SiteKind.WEIGHT):
        mine = np.array([site.kind is kind for site in costs.sites])
        several = mine & (allowed.sum(axis=1) > 1)
        widest.append(WIDTHS[int(choice[several if several.any() else mine].max())])
    return f"a{widest[0]}w{widest[1]}"


def uniform_choices(
    costs: CostTable, damage: np.ndarray, limits: Mapping[str, float]
) -> np.ndarray:
    """All uniform choices (plans, sites) that are allowed and fit, the most bits first.

    One width for all weights and one for all activations; states at the widest allowed. Sites that
    are left one width only, as pinned ones are, have that.
    """
    allowed = costs.legal & np.isfinite(damage)
    kinds = np.array([site.kind for site in costs.sites])
    widest = np.where(allowed, np.arange(len(WIDTHS)), -1).max(axis=1)
    open_ = allowed.sum(axis=1) > 1
    found: list[np.ndarray] = []
    for weight_bits in reversed(WEIGHT_WIDTHS):
        for act_bits in reversed(ACTIVATION_WIDTHS):
            choice = widest.copy()
            choice[open_ & (kinds == SiteKind.WEIGHT)] = WIDTHS.index(weight_bits)
            choice[open_ & (kinds == SiteKind.ACTIVATION)] = WIDTHS.index(act_bits)
            legal = allowed[np.arange(len(choice)), choice].all()
            known = any((choice == other).all() for other in found)
            if legal and not known and fits(costs, choice, limits)[0]:
                found.append(choice)
    return np.array(found, np.int64).reshape(-1, len(kinds))
