"""Whether rollouts of a horizon fit in memory, asked before the first step is taken."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tqs_edge.errors import InputError
from tqs_edge.sensitivity.memory import COPIES, available_bytes
from tqs_edge.sensitivity.score import PROBES
from tqs_edge.sensitivity.sites import BLOCK_ROWS
from tqs_edge.sensitivity.tasks import NUMBER_BYTES


def check_horizon(
    horizon: int, contexts: int, features: int, weights: Mapping[str, np.ndarray]
) -> None:
    """Raises InputError where the frames and the score of so many steps exceed the memory.

    contexts: rollouts of `features` outputs kept at once; weights: arrays by path, whose rows tell
    about how many sites there are
    """
    sites = sum(len(value) for value in weights.values() if value.ndim > 1) / BLOCK_ROWS
    per_step = COPIES * contexts * features + 2 * sites * (PROBES + 1)
    needed, available = NUMBER_BYTES * horizon * per_step, available_bytes()
    if available is not None and needed > available:
        raise InputError(
            f"a horizon of {horizon} steps takes about {needed / 1e9:.0f} GB, and"
            f" {available / 1e9:.0f} GB are available; shorten --horizon"
        )
