"""Rebuilds data/ppg_20hz.csv: `python -m tqs_edge.zoo.prepare_ppg heartpy/data/data3.csv`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.zoo.series import DATA_DIR

RECORDED_HZ = 100
SHIPPED_HZ = 20


def downsample(counts: np.ndarray) -> np.ndarray:
    """The recording in ADC counts at SHIPPED_HZ, float64 (samples,), low-pass filtered first."""
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(counts, 1, RECORDED_HZ // SHIPPED_HZ))


def main(arguments: list[str]) -> None:
    """Writes the shipped series from the recording named by the one argument."""
    if len(arguments) != 1:
        raise InputError(
            "name the recording: python -m tqs_edge.zoo.prepare_ppg heartpy/data/data3.csv"
        )
    rows = Path(arguments[0]).read_text(encoding="utf-8").split()[1:]
    counts = np.array([float(row.rsplit(",", 1)[1]) for row in rows if "," in row])
    lines = ["adc_counts", *(f"{value:.1f}" for value in downsample(counts))]
    target = DATA_DIR / "ppg_20hz.csv"
    partial = target.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(target)


if __name__ == "__main__":
    main(sys.argv[1:])
