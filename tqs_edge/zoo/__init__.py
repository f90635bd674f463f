"""Small trained models with real or generated contexts: `MODELS` says which, `load` brings one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqs_edge.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

WEIGHTS_DIR = Path(__file__).parent / "weights"
CONTEXTS_PER_PART = 32


@dataclass(frozen=True)
class ModelCard:
    """What the zoo knows about a model before torch is imported.

    network:        "gru", "residual-gru" or "linear", a class and options of zoo.networks
    hidden:         length of the state
    form:           "recurrent", "windowed" or "map", as tqs_edge.graph.rollout_model.RolloutForm
    context_length: rows of context that its rollouts were trained to start from
    horizon:        steps of a rollout that it is meant for
    dataset:        name in tqs_edge.zoo.series.SERIES
    licence:        SPDX expression for the weights and the data in the package
    """

    name: str
    description: str
    form: str
    network: str
    features: int
    hidden: int
    context_length: int
    horizon: int
    dataset: str
    licence: str


@dataclass(frozen=True)
class ZooModel:
    """A trained model, ready to be rolled out.

    module:            in eval mode; call it with `example_inputs`
    planning_contexts: float32 [N, context_length, F], for measuring ranges and searching plans
    judging_contexts:  float32 [N, context_length, F] from another part of the series
    planning_truth, judging_truth: float32 [N, horizon, F], the rows that followed
    """

    card: ModelCard
    module: nn.Module
    example_inputs: tuple[torch.Tensor, ...]
    planning_contexts: np.ndarray
    planning_truth: np.ndarray
    judging_contexts: np.ndarray
    judging_truth: np.ndarray

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


MODELS = {
    card.name: card
    for card in (
        ModelCard(
            name="ppg-gru",
            description="rolls on a measured finger pulse wave (20 Hz); in phase for 2 to 3 beats",
            form="recurrent",
            network="gru",
            features=1,
            hidden=32,
            context_length=50,
            horizon=120,
            dataset="ppg",
            licence="Apache-2.0 AND MIT",
        ),
        ModelCard(
            name="lorenz-gru",
            description="residual map of the Lorenz attractor, a chaotic system",
            form="recurrent",
            network="residual-gru",
            features=3,
            hidden=32,
            context_length=20,
            horizon=100,
            dataset="lorenz",
            licence="Apache-2.0",
        ),
        ModelCard(
            name="gru-4x32",
            description="two coupled oscillators; the reference size for benchmarks",
            form="recurrent",
            network="gru",
            features=4,
            hidden=32,
            context_length=20,
            horizon=150,
            dataset="oscillators",
            licence="Apache-2.0",
        ),
        ModelCard(
            name="sst-ssm",
            description="linear state space of a sea temperature, poles on the unit circle",
            form="recurrent",
            network="linear",
            features=1,
            hidden=8,
            context_length=60,
            horizon=120,
            dataset="sst",
            licence="Apache-2.0",
        ),
    )
}


def card_of(name: str) -> ModelCard:
    """The card of a model in `MODELS`; InputError for other names."""
    if name not in MODELS:
        raise InputError(f"the zoo has no model '{name}'; choose one of {', '.join(MODELS)}")
    return MODELS[name]


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
    from tqs_edge.zoo.networks import GruForecaster, LinearStateSpace

    if card.network == "linear":
        return LinearStateSpace(card.features, card.hidden)
    return GruForecaster(card.features, card.hidden, residual=card.network == "residual-gru")


def _with_contexts(card: ModelCard, module: nn.Module) -> ZooModel:
    import torch

    from tqs_edge.zoo import series as source

    series = source.SERIES[card.dataset]()
    length, rows = card.context_length, card.context_length + card.horizon
    planning = source.windows(series.planning, rows, CONTEXTS_PER_PART)
    judging = source.windows(series.judging, rows, CONTEXTS_PER_PART)
    return ZooModel(
        card=card,
        module=module,
        example_inputs=(torch.zeros(1, card.features), torch.zeros(1, card.hidden)),
        planning_contexts=planning[:, :length],
        planning_truth=planning[:, length:],
        judging_contexts=judging[:, :length],
        judging_truth=judging[:, length:],
    )
