"""Which input and output of an ONNX graph is which: (x, exog, *states) -> (y, *states)."""

from __future__ import annotations

import re
from collections.abc import Sequence

INPUT_NAMES = ("x", "window")
# What exporters and people add to the name of a state to tell the old value from the new one.
NOISE = frozenset("in out input output next new prev previous old init initial final t".split())


def step_inputs(names: Sequence[str]) -> list[str]:
    """The inputs with the one called x or window first and exog second; the rest as they stand."""
    first = next((name for name in names if name in INPUT_NAMES), names[0])
    exog = [name for name in names if name == "exog" and name != first]
    return [first, *exog, *(name for name in names if name not in (first, *exog))]


def step_outputs(inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The outputs as (y, *states in the order of the inputs).

    States are matched by name (h with h_next, h_out, next_h, hn, ...) where that says it for all of
    them without doubt; otherwise the outputs stay as they stand. inputs: as `step_inputs` has them.
    """
    states = [name for name in inputs[1:] if name != "exog"]
    stems = [_stem(name) for name in outputs]
    places = [
        stems.index(_stem(state)) if stems.count(_stem(state)) == 1 else None for state in states
    ]
    found = [place for place in places if place is not None]
    if not states or len(outputs) != len(states) + 1 or len(set(found)) < len(states):
        return list(outputs)
    (y,) = set(range(len(outputs))) - set(found)
    return [outputs[y], *(outputs[place] for place in found)]


def _stem(name: str) -> str:
    """The name without the words that tell old from new: "h_next", "hn", "h_0" -> "h"."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]
    kept = [word for word in words if word not in NOISE] or words
    if len(kept) > 1 and kept[-1] in ("0", "n", "1"):
        kept = kept[:-1]
    last = re.fullmatch(r"([a-z])[0n]", kept[-1]) if kept else None
    return "_".join([*kept[:-1], last[1]] if last else kept)
