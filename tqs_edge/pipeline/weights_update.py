"""New weights for firmware in the field: an image that the compiled program takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqs_edge.artifacts import content_hash, read_json, write_bytes
from tqs_edge.codegen.emit import emit
from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.integer.same_code import with_decisions_of
from tqs_edge.passes.lower import lower
from tqs_edge.pipeline.directory import RANGES, Package, read_package
from tqs_edge.pipeline.fitting import Progress, fit_plans
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.rounding import Rounding, parse_rounding
from tqs_edge.verify.metrics import RolloutError


@dataclass(frozen=True, eq=False)
class WeightsUpdate:
    """image: the file's bytes; program: the new integers, model_hash: theirs; error: the new
    integer rollout against the new float model's; fitted: whether its integers are fitted to the
    rollout; remark: why they are not although that was asked for, else empty."""

    image: bytes
    program: IntegerProgram
    model_hash: str
    error: RolloutError
    fitted: bool
    remark: str


def write_weights(
    directory: Path,
    source: Any,
    output: Path,
    *,
    context: Path | None = None,
    exog: Path | None = None,
    rounding: str = Rounding.AUTO,
    seed: int = 0,
    progress: Progress | None = None,
) -> WeightsUpdate:
    """Writes the weights image of a retrained model for the program compiled in `directory`, in the
    form of its board's core.

    Widths and scales of tensors stay those of the program; integers are fitted to the new model's
    rollout as `compile` does it, or the nearest where fitted ones gain nothing or need other code.
    Raises InputError where the model has another graph, or weights that need other code.
    """
    how = parse_rounding(rounding)
    package = read_package(directory)
    old = package.lowered
    streams = old.model.streams
    prepared = prepare(
        source,
        form=RolloutForm.WINDOWED if streams else old.model.form,
        context=context,
        exog=exog,
        horizon=package.horizon,
        stream=streams,
    )
    ranges = read_json(directory / RANGES)
    if set(ranges) != set(prepared.ranges):
        raise InputError("the model has other layers than the compiled one; compile it anew")
    prepared = replace(prepared, ranges=ranges)
    nearest = replace(old.plan, fitted={}, biases={})
    fits = fit_plans(prepared, [nearest], how, seed=seed, progress=progress)
    large = not fits and how is Rounding.AUTO
    remark = "fitting takes long on a model of this size: --rounding fitted" if large else ""
    for fit in fits:
        if not fit.plan.fitted:
            remark = "fitted ones are not better"
            continue
        try:
            return _written(output, prepared, fit.plan, package)
        except InputError as error:
            remark = str(error)
    return replace(_written(output, prepared, nearest, package), remark=remark)


def _written(output: Path, prepared: Prepared, plan: BitPlan, package: Package) -> WeightsUpdate:
    """Writes the image of the model's weights under `plan`. Raises InputError where the program of
    `package` does not take it."""
    old = package.lowered
    program = build_program(prepared.model.graph, plan, prepared.ranges)
    program = with_decisions_of(program, old.program)
    model_hash = content_hash(program)
    bundle = emit(lower(prepared.loaded.module, program), program, prepared.model, model_hash)
    if bundle.program_id != old.bundle.program_id:
        raise InputError(
            "the new weights need other code than the compiled program's "
            f"({_first_difference(old.bundle.files['model.c'], bundle.files['model.c'])}); "
            "compile the model anew"
        )
    error = judge(program, prepared.model, prepared.judging, prepared.horizon).error
    image = bundle.image_for(package.firmware.board.core.isa)
    write_bytes(output, image)
    return WeightsUpdate(image, program, model_hash, error, bool(plan.fitted), "")


def _first_difference(old: str, new: str) -> str:
    """The first line that differs; the first of a file names the model and always does."""
    for before, after in zip(old.splitlines()[1:], new.splitlines()[1:], strict=False):
        if before != after:
            return f"'{before.strip()}' would be '{after.strip()}'"
    return "its scales differ"
