"""Small trained models with real or generated contexts: `MODELS` says which, `load` brings one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqs_edge.errors import InputError
from tqs_edge.zoo.cards import MODELS, STUDY_MODELS, card_of
from tqs_edge.zoo.model_card import ModelCard

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

__all__ = ["MODELS", "STUDY_MODELS", "ModelCard", "ZooModel", "build", "card_of", "load"]

WEIGHTS_DIR = Path(__file__).parent / "weights"
CONTEXTS_PER_PART = 32


@dataclass(frozen=True)
class ZooModel:
    """A trained model, ready to be rolled out.

    module:            in eval mode; call it with `example_inputs`
    planning_contexts: float32 [N, context_length, F], for measuring ranges and searching plans
    judging_contexts:  float32 [N, context_length, F] from another part of the series
    planning_truth, judging_truth: float32 [N, horizon, F], the rows that followed
    planning_exog, judging_exog: float32 [N, context_length + horizon - 1, E], a row for each call;
                       None without exogenous inputs
    """

    card: ModelCard
    module: nn.Module
    example_inputs: tuple[torch.Tensor, ...]
    planning_contexts: np.ndarray
    planning_truth: np.ndarray
    judging_contexts: np.ndarray
    judging_truth: np.ndarray
    planning_exog: np.ndarray | None = None
    judging_exog: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The name in `MODELS`."""
        return self.card.name

    @property
    def form(self) -> str:
        """The rollout form: "recurrent", "windowed" or "map"."""
        return self.card.form

    @property
    def horizon(self) -> int:
        """Steps of the rollout that the model is meant for."""
        return self.card.horizon

    @property
    def contexts(self) -> np.ndarray:
        """All contexts, float32 [2N, context_length, F], planning first."""
        import numpy as np

        return np.concatenate([self.planning_contexts, self.judging_contexts])


def weights_path(name: str) -> Path:
    """Where the weights of a model lie in the package."""
    return WEIGHTS_DIR / f"{name}.safetensors"


def recorded_hashes() -> dict[str, str]:
    """SHA-256 of each weights file, by file name, as `tqs_edge.zoo.train` recorded them."""
    lines = (WEIGHTS_DIR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def load(name: str) -> ZooModel:
    """The trained model and its contexts; InputError when the name or the weights file is wrong."""
    from safetensors.torch import load as parse_safetensors

    card = card_of(name)
    path = weights_path(name)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != recorded_hashes().get(path.name):
        raise InputError(f"weights file '{path.name}' is not the one shipped; reinstall tqs_edge")
    module = build(card)
    module.load_state_dict(parse_safetensors(content))
    return _with_contexts(card, module.eval())


def build(card: ModelCard) -> nn.Module:
    """The untrained module that a card describes."""
    from tqs_edge.zoo.network_kinds import NETWORKS

    if card.network not in NETWORKS:
        raise InputError(f"zoo model '{card.name}' has no network '{card.network}'")
    return NETWORKS[card.network](card)


def _with_contexts(card: ModelCard, module: nn.Module) -> ZooModel:
    import torch

    from tqs_edge.zoo import series as source

    series = source.SERIES[card.dataset]()
    length, features = card.context_length, card.features
    planning, judging = (
        source.windows(part, length + card.horizon, CONTEXTS_PER_PART)
        for part in (series.planning, series.judging)
    )
    return ZooModel(
        card=card,
        module=module,
        example_inputs=tuple(torch.zeros(shape) for shape in card.input_shapes),
        planning_contexts=planning[:, :length, :features],
        planning_truth=planning[:, length:, :features],
        judging_contexts=judging[:, :length, :features],
        judging_truth=judging[:, length:, :features],
        planning_exog=planning[:, :-1, features:] if card.exog else None,
        judging_exog=judging[:, :-1, features:] if card.exog else None,
    )
