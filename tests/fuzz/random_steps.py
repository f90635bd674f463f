"""Random steps: torch modules of a dozen operations, small and well conditioned."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tests.fuzz.arithmetic import Rule, Tensors, binary, constant, number, unary
from tests.fuzz.layers import layer, product
from tests.fuzz.shapes import concat, layout, reduction

SAMPLES = 4  # inputs on which values are watched while a step is made
LARGEST = 6.0  # beyond that a value is scaled down before anything reads it

RULES: Mapping[str, Callable[[random.Random, Tensors], Rule | None]] = {
    "unary": unary,
    "number": number,
    "binary": binary,
    "binary2": binary,
    "constant": constant,
    "reduction": reduction,
    "layout": layout,
    "concat": concat,
    "layer": layer,
    "product": product,
}


@dataclass(frozen=True, eq=False)
class RandomStep:
    """module: the step; inputs: examples (x, *states); text: one line for each operation."""

    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    text: tuple[str, ...]


class Operation(nn.Module):
    """A function of tensors with the modules and constants that it uses."""

    def __init__(self, rule: Rule, reads: tuple[int, ...]) -> None:
        super().__init__()
        self.function, self.reads = rule.function, reads
        self.parts = nn.ModuleList(rule.parts)
        for index, value in enumerate(rule.constants):
            self.register_buffer(f"c{index}", value)
        self.count = len(rule.constants)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        constants = [getattr(self, f"c{index}") for index in range(self.count)]
        return self.function(*self.parts, *constants, *tensors)


class Step(nn.Module):
    """(x, *states) -> (y, *states): operations in order, then a bounded contraction of x."""

    def __init__(self, windowed: bool, block: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList()
        self.ends: list[tuple[int, ...]] = []
        self.heads = nn.ModuleList()
        self.windowed, self.block = windowed, block

    def values(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        values = list(inputs)
        for operation in self.operations:
            values.append(operation(*(values[index] for index in operation.reads)))
        return values

    def forward(self, x, *states):
        values = self.values((x, *states))
        row = x[:, -self.block :] if self.windowed else x
        results = []
        for old, ends, head in zip((row, *states), self.ends, self.heads, strict=True):
            read = torch.cat([values[end].reshape(1, -1) for end in ends], -1)
            new = torch.tanh(head(read)).reshape(old.shape)
            results.append(0.5 * old + 0.4 * new)
        return tuple(results) if states else results[0]


def random_step(rng: random.Random, operations: int = 8) -> RandomStep:
    """A step whose every choice comes from `rng`."""
    torch.manual_seed(rng.randrange(1 << 30))
    features = rng.randint(1, 4)
    form = rng.choice(("windowed", "windowed", "recurrent", "map"))
    length = rng.randint(3, 9)
    shapes = [(1, length, features) if form == "windowed" else (1, features)]
    if form == "recurrent":
        shapes += [
            rng.choice(((1, rng.randint(1, 6)), (1, rng.randint(2, 4), rng.randint(1, 3))))
            for _ in range(rng.randint(1, 2))
        ]
    step = Step(form == "windowed", rng.randint(1, 2))
    samples = [[torch.randn(shape) for shape in shapes] for _ in range(SAMPLES)]
    text: list[str] = [f"{form} {shapes}"]
    while len(step.operations) < operations:
        _append(rng, step, samples, text)
    rows = (1, step.block, features) if form == "windowed" else shapes[0]
    _finish(rng, step, samples, [rows, *shapes[1:]])
    inputs = tuple(torch.randn(shape) for shape in shapes)
    return RandomStep(step.eval(), inputs, tuple(text))


def _append(
    rng: random.Random, step: Step, samples: list[list[torch.Tensor]], text: list[str]
) -> None:
    """One more operation, if a random one suits the values that there are."""
    name = rng.choice(tuple(RULES))
    count = len(samples[0])
    newest = [index for index in range(count) if index >= count - 4]
    reads = [rng.choice(newest if rng.random() < 0.7 else range(count))]
    made = RULES[name](rng, [samples[0][reads[0]], *samples[0]])
    if made is None:
        return
    reads += [index for index in made.others]
    _keep(Operation(made, tuple(reads)), step, samples, text, f"{name} {made.text}")


def _keep(
    operation: Operation,
    step: Step,
    samples: list[list[torch.Tensor]],
    text: list[str],
    line: str,
) -> None:
    operation = operation.eval()
    with torch.no_grad():
        results = [operation(*(values[i] for i in operation.reads)) for values in samples]
    if results[0].dtype != torch.float32 or results[0].numel() > 256 or results[0].ndim > 4:
        return
    if not results[0].numel() or not all(torch.isfinite(r).all() for r in results):
        return
    step.operations.append(operation)
    for values, result in zip(samples, results, strict=True):
        values.append(result)
    text.append(
        f"v{len(samples[0]) - 1} = {line} {list(operation.reads)}: {list(results[0].shape)}"
    )
    largest = max(float(r.abs().max()) for r in results)
    if largest > LARGEST:
        scale = LARGEST / 2 / largest
        rule = Rule(lambda x: x * scale, text=f"x * {scale:.3g}")
        _keep(Operation(rule, (len(samples[0]) - 1,)), step, samples, text, rule.text)


def _finish(
    rng: random.Random,
    step: Step,
    samples: list[list[torch.Tensor]],
    shapes: Sequence[tuple[int, ...]],
) -> None:
    """Heads that read the newest values and some others."""
    count = len(samples[0])
    read = {index for operation in step.operations for index in operation.reads}
    unread = [index for index in range(count) if index not in read] or [count - 1]
    for position, shape in enumerate(shapes):
        ends = unread if position == 0 else [rng.choice(unread), rng.randrange(count)]
        size = sum(samples[0][end].numel() for end in ends)
        head = nn.Linear(size, torch.Size(shape).numel())
        with torch.no_grad():
            head.weight.copy_(torch.randn(head.weight.shape) * (0.7 / size**0.5))
        step.ends.append(tuple(ends))
        step.heads.append(head)
