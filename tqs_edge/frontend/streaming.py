"""The streaming form of a loaded model, checked against the form it came from."""

from __future__ import annotations

from dataclasses import replace

import torch

from tqs_edge.errors import ImportMismatch
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
    generator = torch.Generator().manual_seed(0)
    shape = (CHECKED_CONTEXTS, model.length, model.features)
    contexts = torch.randn(shape, generator=generator).double()
    constants = {p: torch.tensor(v, dtype=torch.float64) for p, v in model.graph.constants.items()}
    frames = [
        rollout(form, contexts, CHECKED_STEPS, weight=constants.__getitem__)
        for form in (model, streamed)
    ]
    want, got = (torch.nan_to_num(f) for f in frames)  # random contexts may overflow both alike
    error = float((want - got).abs().max())
    if not error <= TOLERANCE * max(1.0, float(want.abs().max())):
        raise ImportMismatch(
            f"the streaming form of '{model.name}' differs from the windowed one by {error:.2e}; "
            "this is a bug, please report the model, and compile with --no-stream"
        )
