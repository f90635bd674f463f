"""Torch steps with the files that both exporters of torch write for them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.backends.onnx_models import exported, save
from tests.frontend import models

LEGACY_OPSET = 17


class RnnStep(nn.Module):
    """nn.RNN or nn.LSTM over one row, its states in the signature."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.rnn = kind(2, 3, batch_first=True, **options)
        self.head = nn.Linear(3, 2)

    def forward(self, x, *states):
        rows, state = self.rnn(x.unsqueeze(1), states if len(states) > 1 else states[0])
        return (self.head(rows[:, -1]), *(state if len(states) > 1 else (state,)))


class RowMlp(nn.Module):
    """Linear layers over every row of a window: products of rank 3."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 2))

    def forward(self, window):
        return self.net(window)[:, -1:]


class Tcn(nn.Module):
    """Two causal convolutions, the second dilated, and the last row."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, 4, 3)
        self.second = nn.Conv1d(4, 4, 3, dilation=2)
        self.head = nn.Linear(4, 2)

    def forward(self, window):
        columns = nn.functional.pad(window.transpose(1, 2), (2, 0))
        columns = torch.relu(self.first(columns))
        columns = torch.relu(self.second(nn.functional.pad(columns, (4, 0))))
        return self.head(columns[:, :, -1]).unsqueeze(1)


class NormGelu(nn.Module):
    """A map with LayerNorm and GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.down = nn.Linear(2, 8), nn.LayerNorm(8), nn.Linear(8, 2)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.norm(self.up(x))))


def steps() -> dict[str, tuple[nn.Module, tuple[Any, ...], list[str]]]:
    """(module in eval mode, example inputs, names of the inputs) by name of the model."""
    known = models.supported()
    torch.manual_seed(1)
    row, window = torch.randn(1, 2), torch.randn(1, 8, 2)
    h, c = torch.zeros(1, 1, 3), torch.zeros(1, 1, 3)
    made: dict[str, tuple[nn.Module, tuple[Any, ...], list[str]]] = {
        "GRU cell": (*known["GRUCell"], ["x", "h"]),
        "GRU": (*known["one-layer GRU"], ["x", "h"]),
        "two GRUs": (*known["two-layer GRU"], ["x", "h"]),
        "LSTM cell": (*known["LSTMCell"], ["x", "h", "c"]),
        "LSTM": (RnnStep(nn.LSTM), (row, h, c), ["x", "h", "c"]),
        "RNN": (RnnStep(nn.RNN), (row, h), ["x", "h"]),
        "tanh map": (*known["tanh map"], ["x"]),
        "window MLP": (*known["window MLP"], ["window"]),
        "window GRU": (*known["window GRU"], ["window"]),
        "row MLP": (RowMlp(), (window,), ["window"]),
        "state space": (*known["state space"], ["x", "s", "exog"]),
        "TCN": (Tcn(), (window,), ["window"]),
        "norm and GELU": (NormGelu(), (row,), ["x"]),
    }
    return {name: (module.eval(), *rest) for name, (module, *rest) in made.items()}


def export(name: str, exporter: str, folder: Path) -> Path:
    """The file that an exporter of torch, "dynamo" or "legacy", writes for a step."""
    module, inputs, names = steps()[name]
    path = folder / f"{name}-{exporter}.onnx"
    if exporter == "dynamo":
        return save(exported(module, inputs, names), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that this exporter is the old one
        torch.onnx.export(
            module,
            inputs,
            str(path),
            input_names=names,
            dynamo=False,
            opset_version=LEGACY_OPSET,
        )
    return path
