"""Fits the readout of an echo state network; the reservoir itself is never trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from tqs_edge.zoo.networks_recurrent import EchoState


@dataclass(frozen=True)
class RidgeRecipe:
    """How a readout is fitted.

    noise:   standard deviation added to the rows fed, so that the rollout learns to come back
    penalty: weight of the squared readout against the squared error, per row
    washout: rows fed before the first that counts
    """

    noise: float
    penalty: float
    washout: int = 100
    seed: int = 0


@torch.no_grad()
def fit_readout(network: EchoState, stretches: list[np.ndarray], recipe: RidgeRecipe) -> None:
    """Sets the readout to the ridge regression of the next row on the state, teacher-forced."""
    torch.manual_seed(recipe.seed)
    states, targets = [], []
    for stretch in stretches:
        rows = torch.from_numpy(stretch)
        fed = rows + recipe.noise * torch.randn_like(rows)
        h = torch.zeros(1, network.readout.in_features)
        for t in range(len(rows) - 1):
            _, h = network(fed[t : t + 1], h)
            if t >= recipe.washout:
                states.append(h[0])
                targets.append(rows[t + 1])
    inputs = torch.stack(states).double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], 1)
    normal = inputs.T @ inputs
    normal += recipe.penalty * len(inputs) * torch.eye(len(normal), dtype=torch.float64)
    solution = torch.linalg.solve(normal, inputs.T @ torch.stack(targets).double())
    network.readout.weight.copy_(solution[:-1].T)
    network.readout.bias.copy_(solution[-1])
