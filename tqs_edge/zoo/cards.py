"""What the zoo knows of each model before torch is imported."""

from __future__ import annotations

from dataclasses import dataclass

from tqs_edge.errors import InputError


@dataclass(frozen=True)
class ModelCard:
    """One trained model.

    network:        "gru", "residual-gru", "lstm", "linear", "mlp" or "neural-ode", a class and
                    options of zoo.networks
    hidden:         length of each state; of the hidden layers where there is no state
    form:           "recurrent", "windowed" or "map", as tqs_edge.graph.rollout_model.RolloutForm
    context_length: rows of context that its rollouts were trained to start from; the window of a
                    windowed model
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

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input: (1, L, F) of a windowed model, else (1, F)."""
        rows = (self.context_length,) if self.form == "windowed" else ()
        return (1, *rows, self.features)

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes of the states: (1, hidden) each, two of an LSTM, none without recurrence."""
        if self.form != "recurrent":
            return ()
        return ((1, self.hidden),) * (2 if self.network == "lstm" else 1)


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
            horizon=108,
            dataset="sst",
            licence="Apache-2.0",
        ),
        ModelCard(
            name="mackey-mlp",
            description="window of the Mackey-Glass delay equation, chaotic, through an MLP",
            form="windowed",
            network="mlp",
            features=1,
            hidden=32,
            context_length=20,
            horizon=100,
            dataset="mackey-glass",
            licence="Apache-2.0",
        ),
        ModelCard(
            name="pendulum-ode",
            description="neural ODE of a swinging pendulum, one Runge-Kutta step; nothing decays",
            form="map",
            network="neural-ode",
            features=2,
            hidden=24,
            context_length=1,
            horizon=150,
            dataset="pendulum",
            licence="Apache-2.0",
        ),
        ModelCard(
            name="co2-lstm",
            description="the year in weekly CO2 at Mauna Loa, measured, less the past year's mean",
            form="recurrent",
            network="lstm",
            features=1,
            hidden=24,
            context_length=52,
            horizon=104,
            dataset="co2",
            licence="Apache-2.0",
        ),
    )
}


def card_of(name: str) -> ModelCard:
    """The card of a model in `MODELS`; InputError for other names."""
    if name not in MODELS:
        raise InputError(f"the zoo has no model '{name}'; choose one of {', '.join(MODELS)}")
    return MODELS[name]
