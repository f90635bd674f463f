"""Equal bits: planned widths against uniform ones, in integers, on unseen contexts."""

from __future__ import annotations

from dataclasses import asdict

from tests.bench.conftest import HORIZON
from tqs_edge.bench.plans import judge_plans
from tqs_edge.firmware.board import load_board
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.prepare import Prepared

BOARD = load_board("mps2-an386")
KEYS = {
    *("model", "method", "avg_bits", "budget_bytes", "used_bits", "seed"),
    *("nrmse", "valid_horizon"),
}


def test_five_bits_on_average_halve_the_error_of_uniform_four(
    small: Prepared, small_scores: Scores
) -> None:
    records = judge_plans(small, small_scores, BOARD, averages=(5.0,))
    assert [(r.method, r.avg_bits) for r in records] == [
        *(("uniform", 4.0), ("uniform", 5.0), ("tqs", 5.0), ("exact", 5.0))
    ]
    assert all(set(asdict(record)) == KEYS for record in records)
    uniform, _, tqs, exact = records
    assert tqs.nrmse <= 0.5 * uniform.nrmse and exact.nrmse <= 0.5 * uniform.nrmse
    assert all(r.used_bits <= r.avg_bits + 1e-9 for r in records)
    assert all(0 < r.valid_horizon <= HORIZON for r in records)
    assert tqs.budget_bytes == uniform.budget_bytes * 5 / 4
