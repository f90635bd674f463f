"""What is known of one trained model without its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelCard:
    """One trained model.

    network:        name in tqs_edge.zoo.network_kinds.NETWORKS
    hidden:         length of each state; of the hidden layers where there is no state
    form:           "recurrent", "windowed" or "map", as tqs_edge.graph.rollout_model.RolloutForm
    context_length: rows of context that its rollouts were trained to start from; the window of a
                    windowed model
    horizon:        steps of a rollout that it is meant for
    dataset:        name in tqs_edge.zoo.series.SERIES
    nrmse:          the float rollout over the horizon stays below it on the judging part, in
                    standard deviations of the rows that followed
    licence:        SPDX expression for the weights and the data in the package
    block:          rows K that one call appends (1 unless windowed)
    exog:           columns known in advance, the last ones of the dataset's rows
    states:         shapes of the states where they are not one of (1, hidden)
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
    nrmse: float
    licence: str = "Apache-2.0"
    block: int = 1
    exog: int = 0
    states: tuple[tuple[int, ...], ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input: (1, L, F) of a windowed model, else (1, F)."""
        rows = (self.context_length,) if self.form == "windowed" else ()
        return (1, *rows, self.features)

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the states, none without recurrence; the batch is the last axis but one."""
        if self.form != "recurrent":
            return ()
        return self.states or ((1, self.hidden),)

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all inputs in the order of forward(): x or window, exog if any, states."""
        exog = ((1, self.exog),) if self.exog else ()
        return (self.input_shape, *exog, *self.state_shapes)
