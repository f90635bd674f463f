"""The damage that TQS predicts for every width of every site."""

from __future__ import annotations

from collections.abc import Mapping

from tqs_edge.sensitivity.residual import HasConstants, residual_energy
from tqs_edge.sensitivity.score import SensitivityReport


def predict_damage(
    report: SensitivityReport, graph: HasConstants, ranges: Mapping[str, float]
) -> dict[tuple[str, int], float]:
    """Gain times residual energy by (site id, bits): the damage D = g * e that TQS predicts."""
    return {
        (score.site.id, bits): score.gain * residual_energy(graph, score.site, bits, ranges)
        for score in report.sites
        for bits in score.site.widths
    }
