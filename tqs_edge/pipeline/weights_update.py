"""New weights for firmware in the field: an image that the compiled program takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqs_edge.artifacts import content_hash, read_json, write_bytes
from tqs_edge.codegen.emit import emit
from tqs_edge.errors import InputError
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.integer.same_code import with_decisions_of
from tqs_edge.passes.lower import lower
from tqs_edge.pipeline.directory import RANGES, read_package
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.prepare import prepare
from tqs_edge.verify.metrics import RolloutError


@dataclass(frozen=True, eq=False)
class WeightsUpdate:
    """image: the file's bytes; program: the new integers, model_hash: theirs; error: the new
    integer rollout against the new float model's."""

    image: bytes
    program: IntegerProgram
    model_hash: str
    error: RolloutError


def write_weights(
    directory: Path,
    source: Any,
    output: Path,
    *,
    context: Path | None = None,
    exog: Path | None = None,
) -> WeightsUpdate:
    """Writes the weights image of a retrained model for the program compiled in `directory`, in the
    form of its board's core.

    Widths and scales stay those of the program, integers are the nearest. Raises InputError where
    the model has another graph, or weights that need other code.
    """
    package = read_package(directory)
    old = package.lowered
    prepared = prepare(
        source, form=old.model.form, context=context, exog=exog, horizon=package.horizon
    )
    plan = replace(old.plan, fitted={}, biases={})
    ranges = read_json(directory / RANGES)
    if set(ranges) != set(prepared.ranges):
        raise InputError("the model has other layers than the compiled one; compile it anew")
    program = build_program(prepared.model.graph, plan, ranges)
    program = with_decisions_of(program, old.program)
    model_hash = content_hash(program)
    bundle = emit(lower(prepared.loaded.module, program), program, prepared.model, model_hash)
    if bundle.program_id != old.bundle.program_id:
        raise InputError(
            "the new weights need other code than the compiled program's "
            f"({_first_difference(old.bundle.files['model.c'], bundle.files['model.c'])}); "
            "compile the model anew"
        )
    error = judge(program, prepared.model, prepared.judging, package.horizon).error
    image = bundle.image_for(package.firmware.board.core.isa)
    write_bytes(output, image)
    return WeightsUpdate(image, program, model_hash, error)


def _first_difference(old: str, new: str) -> str:
    """The first line that differs; the first of a file names the model and always does."""
    for before, after in zip(old.splitlines()[1:], new.splitlines()[1:], strict=False):
        if before != after:
            return f"'{before.strip()}' would be '{after.strip()}'"
    return "its scales differ"
