"""Trains the zoo's models: `python -m tqs_edge.zoo.train [NAME]`. Same bytes on every run."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from tqs_edge.zoo import (
    MODELS,
    WEIGHTS_DIR,
    ModelCard,
    build,
    card_of,
    recorded_hashes,
    series,
    weights_path,
)
from tqs_edge.zoo.networks import CalendarFilter
from tqs_edge.zoo.networks_recurrent import EchoState
from tqs_edge.zoo.train_reservoir import RidgeRecipe, fit_readout


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    free_steps: steps on the model's own output after the context, grown from `first_free_steps`.
                A rhythm that wanders, such as a pulse, needs few (two beats): over many, the least
                squared error is to fade to the mean, which is no pulse wave.
    noise:      standard deviation added to the context, so that the rollout learns to come back
    weight_noise: standard deviation of the noise on the weights, as a share of each row's root mean
                square, drawn afresh for every iteration (Graves 2011, "Practical variational
                inference for neural networks"), so that a rhythm keeps its pace when weights move
    """

    iterations: int
    batch: int
    first_free_steps: int
    free_steps: int
    learning_rate: float
    noise: float
    weight_noise: float = 0.0
    seed: int = 0


RECIPES: dict[str, Recipe | RidgeRecipe] = {
    "ppg-gru": Recipe(2000, 64, 10, 25, 6e-3, 0.12, weight_noise=0.05),
    "lorenz-gru": Recipe(2400, 64, 5, 40, 5e-3, 0.0),
    "gru-4x32": Recipe(1600, 48, 10, 60, 6e-3, 0.0),
    "sst-ssm": Recipe(300, 32, 24, 36, 2e-2, 0.0),
    "mackey-mlp": Recipe(2000, 64, 5, 40, 5e-3, 0.0),
    "pendulum-ode": Recipe(9000, 128, 3, 16, 2e-2, 0.0),
    "co2-lstm": Recipe(1200, 32, 13, 52, 1e-2, 0.1),
    "mackey-esn": RidgeRecipe(noise=1e-2, penalty=3e-7),
    "oscillators-mingru": Recipe(1000, 32, 10, 50, 8e-3, 0.0),
    "oscillators-lru": Recipe(1000, 32, 10, 50, 8e-3, 0.0),
    "mackey-gru2": Recipe(1000, 32, 5, 40, 8e-3, 0.0),
    "oscillators-lstm-proj": Recipe(1000, 32, 10, 50, 8e-3, 0.0),
    "mackey-rnn": Recipe(1000, 32, 5, 40, 8e-3, 0.0),
    "oscillators-cfc": Recipe(1000, 32, 10, 50, 8e-3, 0.0),
    "co2-tide": Recipe(400, 32, 8, 40, 5e-3, 0.1),
    "driven-euler": Recipe(3000, 64, 3, 20, 1e-2, 0.0),
    "co2-tcn": Recipe(500, 16, 4, 40, 1e-2, 0.1),
    "mackey-wavenet": Recipe(800, 32, 1, 16, 1e-2, 0.0),
    "oscillators-dsconv": Recipe(1500, 64, 1, 16, 1e-2, 0.0),
    "co2-dlinear": Recipe(800, 32, 8, 51, 5e-3, 0.1),
    "oscillators-nlinear": Recipe(2000, 64, 7, 79, 5e-3, 0.0),
    "co2-rlinear": Recipe(800, 32, 7, 79, 5e-3, 0.1),
    "mackey-nbeats": Recipe(2500, 64, 3, 39, 5e-3, 0.0),
    "oscillators-decomposition": Recipe(1500, 64, 1, 31, 1e-2, 0.0),
    "oscillators-tsmixer": Recipe(1200, 32, 1, 31, 1e-2, 0.0),
    "mackey-patchtst": Recipe(1500, 64, 3, 31, 5e-3, 0.0),
    "oscillators-patchconv": Recipe(1500, 32, 3, 63, 1e-2, 0.0),
}
WARM_UP_SHARE = 0.06
CLIP_NORM = 1.0


def train(card: ModelCard, recipe: Recipe | RidgeRecipe) -> nn.Module:
    """The trained module, in eval mode."""
    if isinstance(recipe, RidgeRecipe):
        module = build(card)
        assert isinstance(module, EchoState)
        fit_readout(module, series.SERIES[card.dataset]().training, recipe)
        return module.eval()
    return train_rollouts(card, recipe)


def train_rollouts(card: ModelCard, recipe: Recipe) -> nn.Module:
    """The module trained by gradient descent on the squared error of context and free steps."""
    torch.manual_seed(recipe.seed)
    generator = np.random.default_rng(recipe.seed)
    module = CalendarFilter() if card.network == "linear" else build(card)
    stretches = series.SERIES[card.dataset]().training
    optimizer = torch.optim.Adam(module.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, recipe.iterations, pct_start=WARM_UP_SHARE
    )
    for iteration in range(recipe.iterations):
        grown = min(1.0, iteration / (0.5 * recipe.iterations))
        free = round(
            recipe.first_free_steps + grown * (recipe.free_steps - recipe.first_free_steps)
        )
        if iteration == recipe.iterations // 2:
            freeze_batch_norms(module)
        rows = card.context_length + free + 1
        batch = random_windows(stretches, rows, recipe.batch, generator)
        optimizer.zero_grad()
        with shaken_weights(module, recipe.weight_noise):
            loss = rollout_loss(module, batch, card, recipe.noise)
            torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(module.parameters(), CLIP_NORM)
        optimizer.step()
        schedule.step()
        if iteration % 200 == 0 or iteration == recipe.iterations - 1:
            print(f"{card.name}: step {iteration}, {free} free, loss {loss.item():.5f}", flush=True)
    return (module.plain() if isinstance(module, CalendarFilter) else module).eval()


def freeze_batch_norms(module: nn.Module) -> None:
    """Makes batch norms use their running statistics from here on, as the shipped model will."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()


@contextmanager
def shaken_weights(module: nn.Module, share: float) -> Iterator[None]:
    """Weight matrices with noise of `share` of each row's root mean square, until the exit.

    Gradients taken inside are those at the noisy weights; biases, which stay wide, are left alone.
    """
    if share == 0.0:  # draws nothing, so that recipes without it keep their random numbers
        yield
        return
    matrices = [p for p in module.parameters() if p.ndim > 1]
    clean = [p.detach().clone() for p in matrices]
    with torch.no_grad():
        for weights in matrices:
            size = share * weights.square().mean(dim=1, keepdim=True).sqrt()
            weights.add_(size * torch.randn_like(weights))
    try:
        yield
    finally:
        with torch.no_grad():
            for weights, kept in zip(matrices, clean, strict=True):
                weights.copy_(kept)


def rollout_loss(
    module: nn.Module, batch: torch.Tensor, card: ModelCard, noise: float
) -> torch.Tensor:
    """Mean squared error of a rollout over batch [N, rows, F]: context rows first, then free."""
    shaken = batch[..., : card.features] + noise * torch.randn_like(batch[..., : card.features])
    outputs = run_free(module, torch.cat([shaken, batch[..., card.features :]], -1), card)
    # The first rows come before the state can know where in the cycle it is.
    blind = card.context_length // 4 if card.form == "recurrent" else 0
    truth = batch[:, blind - outputs.shape[1] :, : card.features]
    return (outputs[:, blind:] - truth).square().mean()


def run_free(module: nn.Module, rows: torch.Tensor, card: ModelCard) -> torch.Tensor:
    """One output for each row of rows [N, rows, F + E] after the first: those of the context are
    fed, then the module's own outputs. A windowed model has none before its window is full."""
    context, steps = card.context_length, rows.shape[1] - 1
    values, exog = rows[..., : card.features], rows[..., card.features :]
    outputs: list[torch.Tensor] = []
    if card.form == "windowed":
        window = values[:, :context]
        for _ in range(0, steps + 1 - context, card.block):
            outputs.append(module(window))
            window = torch.cat([window, outputs[-1]], 1)[:, -context:]
        return torch.cat(outputs, 1)[:, : steps + 1 - context]
    states = [rows.new_zeros(*s[:-2], len(rows), s[-1]) for s in card.state_shapes]
    for t in range(steps):
        x = values[:, t] if t < context else outputs[-1]
        inputs = (x, exog[:, t], *states) if card.exog else (x, *states)
        output, *states = module(*inputs) if states else (module(*inputs),)
        outputs.append(output)
    return torch.stack(outputs, 1)


def random_windows(
    stretches: list[np.ndarray], rows: int, count: int, generator: np.random.Generator
) -> torch.Tensor:
    """`count` windows [count, rows, F + E], each start of every stretch equally likely."""
    starts = [len(part) - rows + 1 for part in stretches]
    owners = generator.choice(len(stretches), count, p=np.array(starts) / sum(starts))
    cuts = [(s, generator.integers(starts[s])) for s in owners]
    return torch.from_numpy(np.stack([stretches[s][i : i + rows] for s, i in cuts]))


def store(name: str, module: nn.Module) -> None:
    """Writes the weights and their hash."""
    content = save(module.state_dict())
    path = weights_path(name)
    known = recorded_hashes() if (WEIGHTS_DIR / "SHA256SUMS").exists() else {}
    known[path.name] = hashlib.sha256(content).hexdigest()
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)
    sums = "".join(f"{digest}  {file}\n" for file, digest in sorted(known.items()))
    (WEIGHTS_DIR / "SHA256SUMS").write_text(sums, encoding="utf-8")


def main(names: list[str]) -> None:
    """Trains the models named, or all."""
    # One thread, because the order of a sum split over threads may differ from run to run.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in names or MODELS:
        store(name, train(card_of(name), RECIPES[name]))


if __name__ == "__main__":
    main(sys.argv[1:])
