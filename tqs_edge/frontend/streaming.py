"""The streaming form of a loaded model, checked against the form it came from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tqs_edge.errors import ImportMismatch
from tqs_edge.frontend.contexts import exog_of_calls, known_rows, zeros_first
from tqs_edge.frontend.graph_module import graph_module
from tqs_edge.frontend.load import LoadedModel
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.stream import stream

CHECKED_CONTEXTS, CHECKED_STEPS = 2, 8
TOLERANCE = 1e-9  # relative, in float64


def streaming(loaded: LoadedModel) -> LoadedModel:
    """`loaded` so that a step computes only what a new row changes; itself where little is saved.

    Raises ImportMismatch should the frames differ, which would be a defect.
    """
    streamed = stream(loaded.model)
    if streamed is loaded.model:
        return loaded
    _check_frames(loaded.model, streamed)
    return replace(loaded, model=streamed, module=graph_module(streamed.graph))


def _check_frames(model: RolloutModel, streamed: RolloutModel) -> None:
    random = np.random.default_rng(0)
    contexts = random.standard_normal((CHECKED_CONTEXTS, model.length, model.features))
    moments = known_rows(model, model.length, CHECKED_STEPS)
    known = random.standard_normal((CHECKED_CONTEXTS, moments, model.exog // model.exog_rows))
    constants = {p: torch.tensor(v, dtype=torch.float64) for p, v in model.graph.constants.items()}
    frames = []
    for form in (model, streamed):
        start = zeros_first(contexts, form.context_length - model.length)
        exog = exog_of_calls(form, known, model.length, CHECKED_STEPS)
        frames.append(
            rollout(
                form,
                torch.from_numpy(start),
                CHECKED_STEPS,
                exog=torch.from_numpy(exog),
                weight=constants.__getitem__,
            )
        )
    want, got = (torch.nan_to_num(f) for f in frames)  # random contexts may overflow both alike
    error = float((want - got).abs().max())
    if not error <= TOLERANCE * max(1.0, float(want.abs().max())):
        raise ImportMismatch(
            f"the streaming form of '{model.name}' differs from the windowed one by {error:.2e}; "
            "this is a bug, please report the model, and compile with --no-stream"
        )
