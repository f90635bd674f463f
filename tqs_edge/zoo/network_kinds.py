"""The zoo's networks by the name that a card gives, each built from its card."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from tqs_edge.zoo import (
    networks,
    networks_attention,
    networks_convolution,
    networks_driven,
    networks_linear,
    networks_mlp,
    networks_recurrent,
)
from tqs_edge.zoo.model_card import ModelCard
from tqs_edge.zoo.series import PENDULUM_STEP

NETWORKS: dict[str, Callable[[ModelCard], nn.Module]] = {
    "gru": lambda c: networks.GruForecaster(c.features, c.hidden, residual=False),
    "residual-gru": lambda c: networks.GruForecaster(c.features, c.hidden, residual=True),
    "lstm": lambda c: networks.LstmForecaster(c.features, c.hidden),
    "linear": lambda c: networks.LinearStateSpace(c.features, c.hidden),
    "mlp": lambda c: networks.WindowMlp(c.context_length, c.features, c.hidden),
    "neural-ode": lambda c: networks.NeuralOde(c.features, c.hidden, step=PENDULUM_STEP),
    "mingru": lambda c: networks_recurrent.MinGru(c.features, c.hidden),
    "esn": lambda c: networks_recurrent.EchoState(c.features, c.hidden),
    "lru": lambda c: networks_recurrent.LinearRecurrentUnit(c.features, c.hidden),
    "gru-sequence": lambda c: networks_recurrent.GruSequence(c.features, c.hidden),
    "projected-lstm": lambda c: networks_recurrent.ProjectedLstm(
        c.features, c.hidden, c.states[0][-1]
    ),
    "rnn-sequence": lambda c: networks_recurrent.RnnSequence(c.features, c.hidden),
    "closed-form-continuous": lambda c: networks_recurrent.ClosedFormContinuous(
        c.features, c.hidden
    ),
    "euler": lambda c: networks_driven.EulerMap(c.features, c.exog, c.hidden),
    "tide": lambda c: networks_driven.Tide(c.context_length, c.exog, c.hidden),
    "tcn": lambda c: networks_convolution.TemporalConvNet(c.features, c.hidden, (1, 2, 4, 8, 16)),
    "wavenet": lambda c: networks_convolution.WaveNet(c.features, c.hidden, (1, 2, 4, 8)),
    "patch-conv": lambda c: networks_convolution.PatchConvNet(
        c.context_length, c.features, c.block, c.hidden
    ),
    "separable-conv": lambda c: networks_convolution.SeparableConvNet(
        c.context_length, c.features, c.hidden
    ),
    "dlinear": lambda c: networks_linear.DLinear(c.context_length, c.block, 13),
    "nlinear": lambda c: networks_linear.NLinear(c.context_length, c.block),
    "rlinear": lambda c: networks_linear.RLinear(c.context_length, c.block),
    "nbeats": lambda c: networks_mlp.NBeats(c.context_length, c.block, c.hidden, 2),
    "decomposition-mlp": lambda c: networks_mlp.DecompositionMlp(
        c.context_length, c.features, c.block, c.hidden, kernel=13
    ),
    "tsmixer": lambda c: networks_mlp.TsMixer(
        c.context_length, c.features, c.block, c.hidden, blocks=2
    ),
    "patch-transformer": lambda c: networks_attention.PatchTransformer(
        c.context_length, c.block, c.hidden, patch=8, stride=4, layers=1
    ),
}
