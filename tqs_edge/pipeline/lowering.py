"""Stage 4: a model under a bit plan becomes integers, and the integers become C."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tqs_edge.artifacts import content_hash
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.lower import lower
from tqs_edge.pipeline.prepare import Prepared
from tqs_edge.plan.bit_plan import BitPlan


@dataclass(frozen=True, eq=False)
class Lowered:
    """One model under one plan: as data and as C."""

    model: RolloutModel
    plan: BitPlan
    program: IntegerProgram
    bundle: SourceBundle


def lower_plan(prepared: Prepared, plan: BitPlan, *, dump_dir: Path | None = None) -> Lowered:
    """The integer program of `plan` and its C sources.

    dump_dir: where the IR after each phase is written. Raises InputError where the plan is for
    another model, OverflowUnproven, UnsupportedOp.
    """
    model = prepared.model
    program = build_program(model.graph, plan, prepared.ranges)
    loops = lower(prepared.loaded.module, program, dump_dir=dump_dir)
    bundle = emit(loops, program, model, content_hash(program))
    return Lowered(model, plan, program, bundle)
