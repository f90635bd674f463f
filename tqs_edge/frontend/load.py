"""Model file, factory or module -> checked RolloutModel with its canonical float module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import tvm

from tqs_edge.errors import InputError, ToolMissing, TqsError, UnsupportedOp
from tqs_edge.frontend.aten.rewrite_step import rewrite_step
from tqs_edge.frontend.canonicalize import canonicalize
from tqs_edge.frontend.check_import import check_import
from tqs_edge.frontend.extract import extract_graph
from tqs_edge.frontend.form import infer_form
from tqs_edge.frontend.graph_module import graph_module
from tqs_edge.frontend.importer import import_step
from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.obstacles import find_obstacles
from tqs_edge.frontend.one_axis import has_scalars, with_one_axis
from tqs_edge.frontend.signature import StepSignature, input_shapes, read_signature
from tqs_edge.frontend.source import ModelSource, Source, export_step, find_step
from tqs_edge.frontend.step_program import reject_bad_constants
from tqs_edge.graph.fold_factors import fold_factors
from tqs_edge.graph.merged_dense import merge_dense
from tqs_edge.graph.moving_sums import find_moving_sums
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

Step = Callable[..., tuple[torch.Tensor, ...]]


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be scored and lowered.

    module: canonical float Relax, main(x, exog, *states, *constants) -> (y, *states); the
        constants are `model.graph.constants[path]` for path in main's attribute `constants`
    step: the original step, step(x, exog, *states) -> (y, *states), for checks: the torch module,
        or ONNX Runtime for an .onnx file
    """

    model: RolloutModel
    module: tvm.IRModule
    step: Step
    warnings: tuple[str, ...]


def load_model(
    source: ModelSource,
    *,
    form: RolloutForm | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
) -> LoadedModel:
    """The model that `source` names, imported and checked against the original step.

    source: path of a .pt2 or .onnx file, "zoo:NAME", "package.module:factory" (runs that code), a
    live module with `example_inputs`, or an exported program. form: to insist on one.

    Raises InputError (source, form, shapes, values), UnsafeModelFile, UnsupportedOp (the first
    obstacle, with the number of others), ImportMismatch, and ToolMissing where an .onnx file needs
    a package.
    """
    loaded, obstacles = _examine(find_step(source, example_inputs), form)
    if loaded is None:
        raise _first_of(obstacles)
    return loaded


def check(
    source: ModelSource,
    *,
    form: RolloutForm | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
) -> list[str]:
    """Every reason, one line each, why `source` cannot be compiled; [] when it can.

    Raises ToolMissing, which says nothing about the model.
    """
    try:
        _, obstacles = _examine(find_step(source, example_inputs), form)
    except ToolMissing:
        raise
    except TqsError as error:
        return [str(error)]
    return [str(obstacle) for obstacle in obstacles]


def _examine(
    named: NamedStep, form: RolloutForm | None
) -> tuple[LoadedModel | None, Sequence[TqsError]]:
    """(model, no obstacles) or (None, every obstacle that can be seen at once)."""
    if named.step is None:
        return None, named.obstacles
    opened = export_step(named)
    try:
        input_shapes(opened.program)
    except InputError as error:
        return None, [error]  # of other types, every operation would be one more obstacle
    program = rewrite_step(opened.program)
    obstacles: list[TqsError] = list(named.obstacles)
    try:
        signature = read_signature(program)
        sizes = infer_form(signature, form or opened.form)
    except InputError as error:
        obstacles.append(error)
    try:
        reject_bad_constants(program, opened.program.state_dict)
    except InputError as error:
        obstacles.append(error)
    obstacles += find_obstacles(program)
    if obstacles:
        return None, obstacles
    module, constants = import_step(program, signature)
    module = canonicalize(module, constants)
    graph, unsupported = extract_graph(module, constants)
    if graph is None:
        return None, unsupported
    rewritten = with_one_axis(graph) if has_scalars(graph) else graph
    rewritten = fold_factors(find_moving_sums(merge_dense(rewritten)))
    if rewritten is not graph:
        graph, module = rewritten, graph_module(rewritten)
    model = RolloutModel(
        name=opened.name,
        source=opened.label,
        graph=graph,
        form=sizes.form,
        length=sizes.length,
        features=sizes.features,
        block=sizes.block,
        exog=sizes.exog,
        context_length=sizes.context_length,
        exog_rows=sizes.exog_rows,
    )
    step = _ordered_step(opened, signature)
    check_import(model, module, step)
    return LoadedModel(model, module, step, opened.warnings), ()


def _first_of(obstacles: Sequence[TqsError]) -> TqsError:
    """The first obstacle; an unsupported operation also says how many others there are."""
    first, others = obstacles[0], len(obstacles) - 1
    if isinstance(first, UnsupportedOp) and others:
        more = f"{first.alternative} ({others} more; `tqs-edge check` lists all)"
        return UnsupportedOp(first.layer, first.op, more)
    return first


def _ordered_step(opened: Source, signature: StepSignature) -> Step:
    """The original step with its arguments in the order (x, exog, *states)."""

    def step(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        placed = dict(zip(signature.positions, tensors, strict=True))
        return opened.call(*(placed[position] for position in range(len(tensors))))

    return step
