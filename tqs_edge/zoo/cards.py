"""What the zoo knows of each model before torch is imported."""

from __future__ import annotations

from tqs_edge.errors import InputError
from tqs_edge.zoo.cards_one_row import ONE_ROW_CARDS
from tqs_edge.zoo.cards_windowed import WINDOWED_CARDS
from tqs_edge.zoo.model_card import ModelCard

MODELS = {card.name: card for card in (*ONE_ROW_CARDS, *WINDOWED_CARDS)}

# The models that `tqs-edge bench plan` compares the planning methods on.
STUDY_MODELS = (
    "ppg-gru",
    "lorenz-gru",
    "gru-4x32",
    "sst-ssm",
    "mackey-mlp",
    "pendulum-ode",
    "co2-lstm",
)


def card_of(name: str) -> ModelCard:
    """The card of a model in `MODELS`; InputError for other names."""
    if name not in MODELS:
        raise InputError(f"the zoo has no model '{name}'; choose one of {', '.join(MODELS)}")
    return MODELS[name]
