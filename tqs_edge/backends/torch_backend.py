"""A torch module as a black box: any operation that torch has, all rollouts in one batch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.func import vmap

from tqs_edge.backends.black_box import (
    BatchedStep,
    BlackBox,
    Tensors,
    black_box,
    one_by_one,
    random_inputs,
    same_values,
)
from tqs_edge.backends.torch_step import TorchStep, module_step, program_step
from tqs_edge.errors import InputError
from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.signature import StepSignature
from tqs_edge.frontend.source import export_step
from tqs_edge.graph.rollout_model import RolloutForm

NO_RULE = "There is a performance drop"  # torch's warning where vmap runs an operation in a loop


@dataclass(frozen=True, eq=False)
class TorchRunner:
    """A `StepRunner` on a torch device; batched: whether vmap can run the step."""

    step: TorchStep
    device: torch.device
    batched: bool

    def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        """See `StepRunner.bind`; tensors come from and go back to the caller's device."""
        own = {
            path: value.reshape(variants, *self.step.parameters[path].shape).to(self.device)
            for path, value in weights.items()
        }
        run = self._vmapped(own) if self.batched else self._looped(own, variants)

        def call(tensors: Tensors) -> Tensors:
            home = tensors[0].device
            with torch.no_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", NO_RULE)
                outputs = run(tuple(t.to(self.device) for t in tensors))
            return tuple(t.to(home) for t in outputs)

        return call

    def _vmapped(self, weights: Mapping[str, torch.Tensor]) -> BatchedStep:
        step = self.step.__call__  # vmap asks for a name, else for a repr of all the weights
        contexts, variants = vmap(step, in_dims=(None, 0)), vmap(step)

        def run(tensors: Tensors) -> Tensors:
            batch = tensors[0].shape[:2]
            if weights and batch[1] > 1:
                return vmap(contexts)(weights, tensors)
            flat = tuple(t.flatten(0, 1) for t in tensors)
            outputs = variants(weights, flat) if weights else contexts({}, flat)
            return tuple(t.reshape(*batch, *t.shape[1:]) for t in outputs)

        return run

    def _looped(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        def step_of(variant: int) -> BatchedStep:
            chosen = {path: value[variant] for path, value in weights.items()}
            return lambda tensors: self.step(chosen, tensors)

        return one_by_one([step_of(v) for v in range(variants if weights else 1)])


def torch_backend(
    named: NamedStep, form: RolloutForm | None = None, device: str | torch.device = "cpu"
) -> BlackBox:
    """The step that the user named as a black box on a torch device.

    Exported programs, and modules that torch.export can capture, run in core ATen operations and
    share parameter names with the compiler's graph; other modules run as they are. Weights are the
    parameters of rank 2, and those of higher rank as (first extent, all others). Rollouts run in
    batches where vmap can run the step with the same results, else one by one.
    Raises InputError for the signature, the parameters' values and a device that is not there.
    """
    place = _existing(device)
    step, signature = _step(named, place)
    weights = {
        path: np.ascontiguousarray(value.reshape(len(value), -1).cpu().numpy())
        for path, value in step.parameters.items()
        if value.ndim >= 2 and value.is_floating_point()
    }
    batched = _batches(step, signature, place, next(iter(weights.items()), None))
    runner = TorchRunner(step, place, batched)
    return black_box("torch", named.label, signature, form or named.form, weights, runner)


def _existing(device: str | torch.device) -> torch.device:
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"torch has no device '{device}' here; use --device cpu") from error


def _step(named: NamedStep, device: torch.device) -> tuple[TorchStep, StepSignature]:
    """The step as exported, or as it is where torch.export cannot capture a live module."""
    try:
        source = export_step(named)
    except InputError:
        if named.step is None or isinstance(named.step, ExportedProgram):
            raise
        return module_step(named.step, named.inputs, named.label, device)
    step, signature = program_step(source.program, device)
    inputs = tuple(value[0, 0] for value in random_inputs(signature))
    in_order = sorted(zip(signature.positions, inputs, strict=True), key=itemgetter(0))
    for _ in range(2):
        want = source.call(*(value for _, value in in_order))
        got = step({}, tuple(value.to(device) for value in inputs))
        if not same_values(tuple(value.cpu() for value in got), want):
            raise InputError(
                f"'{named.label}' computes something else when it runs again or is exported; it "
                "must draw no random numbers, and must return its state instead of keeping it"
            )
    return step, signature


def _batches(
    step: TorchStep,
    signature: StepSignature,
    device: torch.device,
    weight: tuple[str, np.ndarray] | None,
) -> bool:
    """Whether vmap over variants and rollouts gives what running one by one gives."""
    inputs = random_inputs(signature, 2, 2)
    replaced = {}
    if weight is not None:
        value = torch.from_numpy(weight[1])
        replaced = {weight[0]: torch.stack([value, 1.1 * value])}
    want = TorchRunner(step, device, False).bind(replaced, 2)(inputs)
    try:
        got = TorchRunner(step, device, True).bind(replaced, 2)(inputs)
    except Exception:  # no batching rule, or Python control flow on values
        return False
    return same_values(got, want)
