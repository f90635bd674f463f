"""What the user names as MODEL -> an exported program and the original step to check against."""

from __future__ import annotations

import copy
import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from tqs_edge.errors import InputError
from tqs_edge.frontend.archive import load_archive
from tqs_edge.frontend.constant_reads import repeated_reads
from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.quiet_torch import quiet_torch
from tqs_edge.graph.rollout_model import RolloutForm

FACTORY = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<factory>[A-Za-z_]\w*)")
ModelSource = str | Path | torch.nn.Module | ExportedProgram
MODEL_SUFFIXES = (".pt2", ".onnx", ".pt", ".pth", ".pkl")


@dataclass(frozen=True)
class Source:
    """An exported step and where it came from.

    call: the original step on a flat list of tensors, in the order of forward(), returning a
    flat tuple. form: the rollout form if the source states one.
    """

    name: str
    label: str
    program: ExportedProgram
    call: Callable[..., tuple[torch.Tensor, ...]]
    form: RolloutForm | None = None
    warnings: tuple[str, ...] = ()


def find_step(source: ModelSource, example_inputs: tuple[torch.Tensor, ...] | None) -> NamedStep:
    """The step that `source` names.

    source: path of a .pt2 or .onnx file, "zoo:NAME", "package.module:factory" (imports and runs
    that code), a live module with `example_inputs`, or an exported program. Raises InputError,
    UnsafeModelFile, and for .onnx files ToolMissing and ImportMismatch.
    """
    if isinstance(source, ExportedProgram):
        return NamedStep("model", "exported program", source)
    if isinstance(source, torch.nn.Module):
        name = type(source).__name__
        return _from_module(source, example_inputs, name, name)
    text = str(source)
    if text.startswith("zoo:"):
        return _from_zoo(text)
    match = FACTORY.fullmatch(text)
    if match and not Path(text).exists():
        return _from_factory(text, match["module"], match["factory"])
    path = Path(text)
    if not path.exists() and path.suffix not in MODEL_SUFFIXES:
        raise InputError(
            f"no model '{text}'; name a .pt2 file, an .onnx file, zoo:NAME or "
            "package.module:factory"
        )
    if path.suffix == ".onnx":
        from tqs_edge.frontend.onnx.source import open_onnx

        return open_onnx(path)
    return NamedStep(path.stem, path.name, load_archive(path))


def _from_zoo(text: str) -> NamedStep:
    from tqs_edge import zoo

    name = text.removeprefix("zoo:")
    model = zoo.load(name)
    return _from_module(
        model.module, model.example_inputs, name, text, form=RolloutForm(model.form)
    )


def _from_factory(text: str, module: str, factory: str) -> NamedStep:
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as `python -m` does: the user's modules lie next to them
    try:
        make = getattr(importlib.import_module(module), factory, None)
        if not callable(make):
            raise InputError(f"'{text}': module '{module}' has no function '{factory}'")
        made = make()
    except InputError:
        raise
    except ModuleNotFoundError as error:
        raise InputError(f"'{text}': no module named '{error.name}'; check the spelling") from error
    except Exception as error:
        raise InputError(f"'{text}' failed: {_first_line(error)}; run it in Python") from error
    finally:
        if here in sys.path:
            sys.path.remove(here)
    if isinstance(made, ExportedProgram):
        return NamedStep(factory, text, made)
    model, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"'{text}' returned {type(model).__name__}; want (nn.Module, example_inputs) or an "
            "ExportedProgram"
        )
    return _from_module(model, inputs, factory, text)


def _from_module(
    module: torch.nn.Module,
    example_inputs: Any,
    name: str,
    label: str,
    form: RolloutForm | None = None,
) -> NamedStep:
    if example_inputs is None:
        raise InputError(f"'{label}' needs example inputs: (x, *state) tensors with batch 1")
    inputs = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else example_inputs
    notes: tuple[str, ...] = ()
    if any(part.training for part in module.modules()):
        module = copy.deepcopy(module).eval()
        notes = ("the model was in training mode; a copy in eval mode is used",)
    return NamedStep(name, label, module, tuple(inputs), form, notes)


def export_step(named: NamedStep) -> Source:
    """The named step as an exported program; InputError where torch.export cannot capture it."""
    if named.step is None:
        raise named.obstacles[0]
    if isinstance(named.step, ExportedProgram):
        return _from_program(named.step, named.name, named.label)
    program = _captured(named.step, named)
    reject_training_mode(program, named.label)
    call = named.original or _flat_call(named.step, program)
    return Source(named.name, named.label, program, call, named.form, named.warnings)


def _captured(step: torch.nn.Module, named: NamedStep) -> ExportedProgram:
    """`step` exported; where Python reads constants that it makes itself, with what it read."""
    # Copies, because a tensor given twice would become one input.
    inputs = pytree.tree_map_only(torch.Tensor, torch.clone, named.inputs)
    keywords = dict(named.keywords)
    try:
        with quiet_torch(), torch.no_grad():
            return torch.export.export(step, inputs, keywords)
    except Exception as error:
        failure = error
    try:
        with repeated_reads(step, inputs, keywords) as reads, quiet_torch(), torch.no_grad():
            if reads:
                return torch.export.export(step, inputs, keywords)
    except InputError:
        raise
    except Exception as error:
        failure = error
    raise InputError(
        f"torch.export cannot capture '{named.label}': {_first_line(failure)}; make forward() "
        "free of data-dependent Python and check the example inputs"
    ) from failure


def _from_program(program: ExportedProgram, name: str, label: str) -> Source:
    reject_training_mode(program, label)
    with quiet_torch():  # unlifting copies guards and warns about them
        module = program.module()
    return Source(name, label, program, _flat_call(module, program))


def reject_training_mode(program: ExportedProgram, label: str) -> None:
    """Raises InputError for a program with active dropout: its rollouts would be random."""
    for node in program.graph.nodes:
        if node.target is torch.ops.aten.dropout.default and node.args[2]:
            raise InputError(
                f"'{label}' was exported in training mode (dropout is active); call model.eval() "
                "before torch.export.export, and F.dropout with training=self.training"
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def _flat_call(
    module: torch.nn.Module, program: ExportedProgram
) -> Callable[..., tuple[torch.Tensor, ...]]:
    """`module` as a function of tensors in forward()'s order, states in containers flattened."""
    spec = program.call_spec.in_spec
    if spec is None:
        raise InputError("the exported program does not say how it is called; export it again")

    def call(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        args, kwargs = pytree.tree_unflatten(list(tensors), spec)
        with quiet_torch(), torch.no_grad():
            return tuple(pytree.tree_leaves(module(*args, **kwargs)))

    return call
