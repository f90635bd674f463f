"""What the operations of loops and the kernels over rows cost on a class of cores, measured.

The parts of a made-up step (step_samples.py) go through the compiler as a model's do; the firmware
runs one of them per call. Instructions and code bytes of each part are counts of its features times
costs of the features (codegen/step_profile.py): what is written to kernel_costs.json are the costs
of least squares.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from tqs_edge.bench.sample_graph import INPUTS
from tqs_edge.bench.step_samples import sample_graph, small_graph
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.join_loops import emitted_calls
from tqs_edge.codegen.operation_counts import ARGUMENT, DENSE
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.codegen.step_profile import (
    StepProfile,
    call_profile,
    dense_instructions,
)
from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import Toolchain
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.build import build_program
from tqs_edge.kernel_table import Cost
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.step_calls import StepCall
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.run.runner import run

DENSE_ARGUMENTS = 8
SMALL = 30.0  # costs below it are not fitted more exactly
MODEL_API = ("tqs_model_init", "nibbles")  # what every model has of targets/model/
ALONE = "static __attribute__((noinline, noclone))"
AROUND = "around"  # the feature of every part: what a call costs besides, which is left out

FILL = """\
    static const int16_t input[] = {inputs};
    static int32_t number;
    x = input;
    __asm volatile("" : "+r"(x)); /* so that the compiler does not know them */
    switch (number++) {
    case 0: /* numbers that saturate nothing */
        for (uint32_t i = 1; i < sizeof model->arena->bytes; i += 2)
            ((int16_t *)(void *)model->arena->bytes)[i / 2] = (int16_t)(i * 3701u % 16384u - 8192u);
        for (uint32_t i = 1; i < sizeof model->state; i += 2)
            ((int16_t *)(void *)&model->state)[i / 2] = (int16_t)(i * 5303u % 16384u - 8192u);
        break;
"""


@dataclass(frozen=True, eq=False)
class Parts:
    """The made-up step: its sources, one case per call, and the calls in order."""

    bundle: SourceBundle
    calls: tuple[StepCall, ...]


@cache
def sample_parts(seed: int = 0) -> Parts:
    """The parts of `sample_graph`."""
    return _apart(_whole_step(*sample_graph(seed)))


def _apart(parts: Parts) -> Parts:
    """The same calls, one per step."""
    outputs = [call.output for call in parts.calls]
    source = _one_case_per_call(parts.bundle.files["model.c"], outputs)
    bundle = replace(parts.bundle, files={**parts.bundle.files, "model.c": source})
    return Parts(bundle, parts.calls)


def _whole_step(graph: Graph, ranges: Mapping[str, float], plan: BitPlan) -> Parts:
    """The step as the compiler makes it."""
    program = build_program(graph, plan, ranges)
    model = RolloutModel("parts", "bench", graph, RolloutForm.RECURRENT, 1, INPUTS, 1, 0, 1)
    module = lower_program(program)
    bundle = emit(module, program, model, "0" * 64)
    return Parts(bundle, emitted_calls(module, program).calls)


def _one_case_per_call(source: str, outputs: Sequence[str]) -> str:
    """model.c whose step fills memory, makes the call of each output, then none."""
    values = np.random.default_rng(0).integers(-12000, 12000, INPUTS)
    numbers = f"{{{', '.join(map(str, values))}}}"
    head, _, body = source.partition("tqs_model_status tqs_model_step(")
    for number, output in enumerate(outputs, start=1):
        call = re.search(rf"^    step_{re.escape(output)}\(.*?\);$", body, re.M | re.S)
        assert call is not None
        opening = FILL.replace("{inputs}", numbers) if number == 1 else ""
        text = f"{opening}    case {number}:\n    {call[0]}\n        break;"
        body = body[: call.start()] + text + body[call.end() :]
    ending = f"    case {len(outputs) + 1}:\n        break;\n    default:\n        break;\n    }}\n"
    body = body.replace("    return TQS_MODEL_OK;", f"{ending}    return TQS_MODEL_OK;")
    return head + "tqs_model_status tqs_model_step(" + body


def measure_step(
    isa: str, board: Board, toolchain: Toolchain, kernels: Mapping[str, Cost]
) -> dict[str, object]:
    """The costs of features, kernels and an empty step on `board`, as kernel_table.StepCosts.

    kernels: costs of the dense kernels by symbol, which parts call too.
    Raises ToolMissing without a simulator of the board.
    """
    parts = sample_parts()
    profiles = [call_profile(call, isa) for call in parts.calls]
    dense = np.array([dense_instructions(profile.dense, kernels) for profile in profiles])
    counts, linked = count_parts(board, toolchain, parts)
    sizes, sources = code_sizes(board, toolchain, parts)
    insns = least_squares([_with_arguments(p.executed, p) for p in profiles], counts - dense)
    code = least_squares([_with_arguments(p.written, p) for p in profiles], sizes)
    features = {
        name: [round(insns.get(name, 0.0), 2), round(code.get(name, 0.0), 2)]
        for name in sorted(insns | code)
        if name != AROUND
    }
    around = _around(board, toolchain)
    return {"features": features, "linked": linked, "around": [round(around, 1), sources]}


def _around(board: Board, toolchain: Toolchain) -> float:
    """Instructions of a small step beside those of its calls."""
    whole = _whole_step(*small_graph())
    calls, _ = count_parts(board, toolchain, _apart(whole))
    return float(_count(board, toolchain, whole.bundle, 1)[0][0] - calls.sum())


def _with_arguments(features: Mapping[str, float], profile: StepProfile) -> dict[str, float]:
    """The features with the arguments of dense kernels, which have no other cost of their own."""
    calls = DENSE_ARGUMENTS * sum(call.times for call in profile.dense)
    return {**features, ARGUMENT: features.get(ARGUMENT, 0.0) + calls}


def least_squares(features: Sequence[Mapping[str, float]], costs: np.ndarray) -> dict[str, float]:
    """Costs of at least 0 by feature, of least squared error relative to costs (parts,)."""
    names = sorted({AROUND}.union(*features))
    table = np.array([[part.get(name, 0.0) for name in names] for part in features])
    table[:, names.index(AROUND)] = 1.0
    weights = 1.0 / np.maximum(costs, SMALL)
    found, _ = nnls(table * weights[:, None], costs * weights)
    return dict(zip(names, found.tolist(), strict=True))


def count_parts(
    board: Board, toolchain: Toolchain, parts: Parts
) -> tuple[np.ndarray, dict[str, int]]:
    """Instructions (parts,) of each call on `board`, and the bytes of kernels and tables that are
    linked."""
    counts, symbols = _count(board, toolchain, parts.bundle, len(parts.calls) + 2)
    kernels = [Path(file).stem for file in parts.bundle.kernels]
    linked = {k: symbols[k] for k in kernels if k in symbols and not k.startswith(DENSE)}
    return counts[1:-1] - counts[-1], linked


def _count(
    board: Board, toolchain: Toolchain, bundle: SourceBundle, steps: int
) -> tuple[np.ndarray, Mapping[str, int]]:
    """Instructions (steps,) of every step, and bytes by symbol."""
    runners = runners_for(board)
    if not runners:
        raise ToolMissing(f"no simulator of '{board.name}'; see `tqs-edge doctor`")
    with tempfile.TemporaryDirectory(prefix="tqs-costs-") as name:
        firmware = build(bundle, board, toolchain, Path(name))
        start = np.zeros((1, 1, INPUTS), np.int16)
        log = run(firmware, start, steps, runner=runners[0], count=steps)
    return np.array(log.instructions_by_call, np.float64), firmware.size.symbols


def code_sizes(board: Board, toolchain: Toolchain, parts: Parts) -> tuple[np.ndarray, float]:
    """Code bytes (parts,) of each call on its own, and those of the functions around a step."""
    source = parts.bundle.files["model.c"].replace("static void step_", f"{ALONE} void step_")
    bundle = replace(parts.bundle, files={**parts.bundle.files, "model.c": source})
    with tempfile.TemporaryDirectory(prefix="tqs-costs-") as name:
        symbols = build(bundle, board, toolchain, Path(name)).size.symbols
    around = sum(n for name, n in symbols.items() if name.startswith(MODEL_API))
    sizes = [symbols[f"step_{call.output}"] for call in parts.calls]
    return np.array(sizes, np.float64), float(around)
