"""Whether a sweep fits in memory, asked before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.sensitivity.sites import Site
from tqs_edge.sensitivity.tasks import BATCH_BYTES, NUMBER_BYTES, Sweep, change_bytes, variant_bytes

MEMORY_FILE = Path("/proc/meminfo")
COPIES = 3  # of the clean frames: their rollout, themselves, and scratch of the statistics


def available_bytes() -> int | None:
    """Memory that can be had without swapping; None where the system does not tell."""
    try:
        lines = MEMORY_FILE.read_text().splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def needed_bytes(sweep: Sweep, sites: Sequence[Site], batches: int = 1) -> int:
    """Peak memory of a sweep, about: clean rollouts, `batches` at once, delta^2 of all sites."""
    count, probes = len(sweep.contexts), sweep.probes + 1
    frames = COPIES * count * sweep.horizon * sweep.backend.features
    squares = 2 * len(sites) * probes * sweep.horizon
    changed = max(change_bytes(sweep.backend, [site]) for site in sites)
    batch = (count + probes) * (variant_bytes(sweep) + changed)
    return NUMBER_BYTES * (frames + squares) + batches * max(batch, BATCH_BYTES)


def check_memory(sweep: Sweep, sites: Sequence[Site], *, parallel: bool) -> None:
    """Raises InputError where the sweep needs more memory than there is.

    parallel: as many batches at once as there are cores
    """
    batches = os.cpu_count() or 1 if parallel else 1
    needed, available = needed_bytes(sweep, sites, batches), available_bytes()
    if available is not None and needed > available:
        raise InputError(
            f"scoring {len(sites)} sites with {sweep.probes} probes over {sweep.horizon} steps and"
            f" {len(sweep.contexts)} contexts takes about {needed / 1e9:.1f} GB, and"
            f" {available / 1e9:.1f} GB are available; shorten the horizon, or use fewer contexts"
            " or probes"
        )
