"""Stage 7: everything known about a compiled model as report.json and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tqs_edge.artifacts import write_json, write_text
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.stack_bound import stack_bound
from tqs_edge.integer.build import build_program
from tqs_edge.integer.program import DenseOp, IntegerProgram
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.lowering import Lowered
from tqs_edge.pipeline.planning import Scores
from tqs_edge.pipeline.predictability import predictability_entry
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.pipeline.usage import model_flash_bytes, model_ram_bytes
from tqs_edge.pipeline.verification import Verification
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.choice import planned_bits
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.plan.wide_states import searched_bits
from tqs_edge.quant.pack import packed_bytes
from tqs_edge.report.page import render_html
from tqs_edge.sensitivity.needs import site_needs
from tqs_edge.sensitivity.predict import predict_damage
from tqs_edge.sensitivity.predictability import Predictability
from tqs_edge.verify.chain import Link
from tqs_edge.verify.metrics import RolloutError

SHOWN_CONTEXTS = 3
UNIFORM_CODES = ("a16w2", "a16w4", "a16w8", "a16w16")
REPORT_JSON, REPORT_HTML = "report.json", "report.html"


def build_report(
    lowered: Lowered,
    firmware: Firmware,
    trials: Trials,
    horizon: int,
    verification: Verification,
    *,
    scores: Scores,
    ranges: dict[str, float],
    predictability: Predictability,
    predicted: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The dict of report.json (keys: README, "The report"); plain JSON data.

    flash_bytes and ram_bytes are what the model adds to a product: code, tables and weights;
    state, arena, rows and measured stack. image_bytes is the whole test firmware. predicted: flash
    and instructions as the planner expected them of this plan, None where it has no costs.
    """
    own = _own_link(verification, firmware)
    stack = own.log.stack_bytes if own and own.log else None
    return {
        "model": lowered.model.name,
        "source": lowered.model.source,
        "board": firmware.board.name,
        "core": firmware.board.core.name,
        "compiler": f"{firmware.record.compiler} {firmware.record.compiler_version}",
        "optimize": firmware.record.optimize,
        "horizon": horizon,
        "contexts": len(trials.contexts),
        "contexts_origin": trials.origin,
        "plan_method": lowered.plan.method,
        "rounding": "fitted" if lowered.plan.fitted else "nearest",
        "average_weight_bits": average_weight_bits(lowered.plan, lowered.program),
        "plan": plan_sites(lowered.plan, lowered.program),
        "flash_bytes": model_flash_bytes(firmware),
        "code_bytes": firmware.size.code_bytes,
        "weight_bytes": firmware.size.weight_bytes,
        "image_bytes": firmware.size.flash_bytes,
        "ram_bytes": None if stack is None else model_ram_bytes(lowered, stack),
        **_stack(firmware, stack),
        "arena_bytes": lowered.bundle.arena_bytes,
        "state_bytes": lowered.bundle.state_bytes,
        "flash_limit": firmware.board.flash_bytes,
        "ram_limit": firmware.board.ram_bytes,
        **_instructions(verification, firmware, predicted),
        "bit_exact": {link.name: link.exact for link in verification.links},
        "mismatches": {
            link.name: str(link.mismatch) for link in verification.links if link.mismatch
        },
        "rollout": _rollout(trials, verification),
        "comparison": _comparison(lowered, trials, horizon, verification, ranges),
        "tqs": _site_scores(lowered, scores, ranges),
        "spearman": scores.table.spearman if scores.table else None,
        "predictability": predictability_entry(predictability),
        "saturation": dict(sorted(verification.reference.saturations.items())),
    }


def _instructions(
    verification: Verification, firmware: Firmware, predicted: Mapping[str, float] | None
) -> dict[str, Any]:
    """Instructions per step on this board and in every execution, and what was expected."""
    own = _own_link(verification, firmware)
    return {
        "instructions_per_step": own.log.instructions_per_step if own and own.log else None,
        "instructions_by_link": {
            link.name: link.log.instructions_per_step
            for link in verification.links
            if link.log and link.log.instructions_per_step is not None
        },
        "predicted_instructions": round(predicted["insns"]) if predicted else None,
        "predicted_flash_bytes": round(predicted["flash"]) if predicted else None,
    }


def write_report(directory: Path, report: dict[str, Any]) -> None:
    """report.json and report.html in `directory`."""
    write_text(directory / REPORT_HTML, render_html(report))
    write_json(directory / REPORT_JSON, report)


def plan_sites(plan: BitPlan, program: IntegerProgram) -> dict[str, dict[str, Any]]:
    """Kind and width of every site of the plan, by site id."""
    width = {
        op.weight: program.tensors[op.input].bits for op in program.ops if isinstance(op, DenseOp)
    }
    sites: dict[str, dict[str, Any]] = {}
    for path, blocks in plan.weights.items():
        for block in blocks:
            sites[f"{path}[{block.begin}:{block.end}]"] = {
                "kind": "weight",
                "weight_bits": block.bits,
                "act_bits": width[path],
                "rows": [block.begin, block.end],
                "tensor": path,
            }
    for tensor, bits in plan.activations.items():
        sites[f"act:{tensor}"] = {
            "kind": "activation",
            "act_bits": bits,
            "tensor": tensor,
            "error_feedback": tensor in plan.feedback,
            "zero_point": tensor in plan.spans,
        }
    for state, bits in plan.states.items():
        sites[f"state:{state}"] = {"kind": "state", "act_bits": bits, "tensor": state}
    return sites


def average_weight_bits(plan: BitPlan, program: IntegerProgram) -> float:
    """Stored bits per weight over all dense weights."""
    depth = {
        op.weight: op.blocks[0].weights.shape[1] for op in program.ops if isinstance(op, DenseOp)
    }
    bits = weights = 0
    for path, blocks in plan.weights.items():
        for block in blocks:
            count = (block.end - block.begin) * depth[path]
            bits, weights = bits + count * block.bits, weights + count
    return bits / weights if weights else 0.0


def _own_link(verification: Verification, firmware: Firmware) -> Link | None:
    """The simulator link of this very firmware, with counts where there is a choice."""
    ending = f":{firmware.board.name}:{firmware.record.compiler}"
    own = [link for link in verification.links if link.name.endswith(ending)]
    counted = [link for link in own if link.log and link.log.instructions_per_step is not None]
    return next(iter(counted + own), None)


def _stack(firmware: Firmware, measured: int | None) -> dict[str, Any]:
    """stack_bound_bytes is the worst case of what stack_bytes measures, the driver included."""
    bound = stack_bound(firmware.elf)
    return {
        "stack_bytes": measured,
        "stack_bound_bytes": bound.firmware,
        "step_stack_bound_bytes": bound.step,
        "stack_bound_missing": bound.reason,
    }


def _rollout(trials: Trials, verification: Verification) -> dict[str, Any]:
    error = verification.error
    shown = slice(0, SHOWN_CONTEXTS)
    result: dict[str, Any] = {
        "nrmse": error.nrmse,
        "nrmse_per_step": list(error.nrmse_per_step),
        "valid_horizon": error.valid_horizon,
        "float_mae": None,
        "integer_mae": None,
        "float_frames": _plain(trials.frames[shown]),
        "integer_frames": _plain(verification.frames[shown]),
    }
    if trials.truth is not None:
        result["float_mae"] = float(np.abs(trials.frames - trials.truth).mean())
        result["integer_mae"] = float(np.abs(verification.frames - trials.truth).mean())
        result["truth"] = _plain(trials.truth[shown])
    return result


def _comparison(
    lowered: Lowered,
    trials: Trials,
    horizon: int,
    verification: Verification,
    ranges: dict[str, float],
) -> list[dict[str, Any]]:
    """This plan, with nearest integers too, and uniform weight widths at 16-bit activations, by
    the integer reference."""
    model, name = lowered.model, f"this one ({lowered.plan.method})"
    rows = [_compared(name, lowered.plan, lowered.program, verification.error)]
    others = {f"uniform {code}": uniform_plan(model.graph, code) for code in UNIFORM_CODES}
    if lowered.plan.fitted:
        nearest = replace(lowered.plan, fitted={}, biases={})
        others = {"the same widths, nearest integers": nearest} | others
    for other, plan in others.items():
        program = build_program(model.graph, plan, ranges)
        error = judge(program, model, trials, horizon).error
        rows.append(_compared(other, plan, program, error))
    return rows


def _compared(
    name: str, plan: BitPlan, program: IntegerProgram, error: RolloutError
) -> dict[str, Any]:
    dense = [op for op in program.ops if isinstance(op, DenseOp)]
    size = sum(
        packed_bytes(len(block.weights), block.weights.shape[1], block.weight_bits)
        for op in dense
        for block in op.blocks
    )
    return {
        "plan": name,
        "average_bits": average_weight_bits(plan, program),
        "packed_weight_bytes": size,
        "nrmse": error.nrmse,
        "valid_horizon": error.valid_horizon,
    }


def _plain(frames: np.ndarray) -> list[Any]:
    rounded: list[Any] = np.round(frames.astype(np.float64), 6).tolist()
    return rounded


def _site_scores(
    lowered: Lowered, scores: Scores, ranges: dict[str, float]
) -> dict[str, dict[str, Any]]:
    """Rate, gain, predicted and measured damage of every scored site at its planned width.

    needs: bits for a rollout error of needs.TOLERANCE in all, None where no width is enough.
    """
    needs = site_needs(scores.report, lowered.model.graph, ranges)
    needed = {need.label: need.bits for need in needs}
    predicted = predict_damage(scores.report, lowered.model.graph, ranges)
    measured = scores.table.measured() if scores.table else {}
    result: dict[str, dict[str, Any]] = {}
    sites = tuple(entry.site for entry in scores.report.sites)
    for entry, bits in zip(scores.report.sites, planned_bits(sites, lowered.plan), strict=True):
        site, judged = entry.site, searched_bits(bits)
        result[site.id] = {
            "rate": entry.rate,
            "gain": entry.gain,
            "gain_low": entry.gain_low,
            "gain_high": entry.gain_high,
            "growth": entry.growth,
            "needs": needed[site.id],
            "bits": bits,
            "predicted": predicted.get((site.id, judged)),
            "measured": measured.get((site.id, judged)),
        }
    return result
