"""The ordered list of passes from imported to canonical Relax."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tvm
from tvm import relax
from tvm.ir.transform import Pass

from tqs_edge.frontend.bias_of_sums import BiasOfSums
from tqs_edge.frontend.drop_unit_axes import DropUnitAxes
from tqs_edge.frontend.drop_unused_constants import DropUnusedConstants
from tqs_edge.frontend.fold_affine import FoldAffine
from tqs_edge.frontend.fold_constants import FoldConstants
from tqs_edge.frontend.fold_layout import FoldLayout
from tqs_edge.frontend.fuse_dense import FuseDense
from tqs_edge.frontend.name_sites import NameSites
from tqs_edge.frontend.slice_first import SliceFirst
from tqs_edge.frontend.split_to_slices import SplitToSlices


def canonical_passes(constants: Mapping[str, np.ndarray]) -> list[Pass]:
    """The passes in order. constants: array by path, for what is computed at compile time."""
    clean_up = [relax.transform.CanonicalizeBindings(), relax.transform.DeadCodeElimination()]
    return [
        # Phase 1: one spelling per operation
        SplitToSlices(),
        FuseDense(),
        *clean_up,
        BiasOfSums(),
        *clean_up,
        FoldLayout(),
        FoldConstants(constants),
        *clean_up,
        # Phase 2: as few operations as possible
        DropUnitAxes(),
        FoldLayout(),
        FoldAffine(),
        *clean_up,
        SliceFirst(),
        *clean_up,
        relax.transform.EliminateCommonSubexpr(),
        *clean_up,
        # Phase 3: what users see
        DropUnusedConstants(),
        NameSites(),
    ]


def canonicalize(mod: tvm.IRModule, constants: Mapping[str, np.ndarray]) -> tvm.IRModule:
    """The step in canonical form: one binding per graph node, under the node's name."""
    for run in canonical_passes(constants):
        mod = run(mod)
    return mod
