"""Larger blocks without another sweep."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graphs import linear_map
from tqs_edge.errors import InputError
from tqs_edge.sensitivity.coarsen import coarser_gains
from tqs_edge.sensitivity.score import score
from tqs_edge.sensitivity.sites import list_sites

MODEL = linear_map(np.diag([1.0, 0.9, 0.8, 0.5]) + 0.1)
START = np.array([[[0.5, -0.25, 0.75, 1.0]]], np.float32)


def test_gains_of_a_whole_tensor_follow_from_its_blocks() -> None:
    # Blocks of 4 and 8 numbers, measured in whole bases: exact in both sizes.
    rows = score(MODEL, START, 12, probes=4, block_rows=1)
    pairs = list_sites(MODEL.graph, 2)
    whole = score(MODEL, START, 12, probes=8, sites=pairs).gains()
    found = coarser_gains(rows, pairs[:2])
    assert found == pytest.approx({s.id: whole[s.id] for s in pairs[:2]}, rel=1e-4)
    everything = coarser_gains(rows, list_sites(MODEL.graph, 4))
    assert everything["a[0:4]"] == pytest.approx(np.mean(list(found.values())))


def test_other_sites_keep_their_gain() -> None:
    report = score(MODEL, START, 12, block_rows=1)
    assert coarser_gains(report, list_sites(MODEL.graph, 4))["act:x"] == report.gains()["act:x"]


def test_blocks_that_do_not_tile_are_refused() -> None:
    report = score(MODEL, START, 12, block_rows=3)
    with pytest.raises(InputError, match=r"'a\[0:2\]' is not made of whole blocks"):
        coarser_gains(report, list_sites(MODEL.graph, 2))
