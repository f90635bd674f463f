"""What a built firmware really takes of the device."""

from __future__ import annotations

import math

from tqs_edge.firmware.build import Firmware
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.pipeline.lowering import Lowered
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.pipeline.verification import runners_for
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import quantize_inputs

COUNTED_STEPS = 4
INSTANCE_BYTES = 12  # of tqs_model_t besides the state: a flag and two pointers


def model_ram_bytes(lowered: Lowered, stack_bytes: int) -> int:
    """RAM of the model in a product: instance, arena, input and output rows, measured stack."""
    program = lowered.program
    names = [n for n in (program.input, program.exog, program.output) if n is not None]
    rows = sum(2 * math.prod(program.tensors[name].shape) for name in names)
    instance = INSTANCE_BYTES + lowered.bundle.state_bytes
    return instance + lowered.bundle.arena_bytes + rows + stack_bytes


def model_flash_bytes(firmware: Firmware) -> int:
    """Flash of the model in a product: code of model and kernels, tables, weights."""
    return firmware.size.code_bytes + firmware.size.weight_bytes


def measure_usage(firmware: Firmware, lowered: Lowered, trials: Trials) -> dict[str, float]:
    """flash and, where a simulator of the board is installed, ram and insns as executed."""
    usage = {"flash": float(model_flash_bytes(firmware))}
    runners = runners_for(firmware.board)
    if not runners:
        return usage
    calls = calls_of(lowered.model, trials.contexts.shape[1], COUNTED_STEPS)
    known = None if trials.exog is None else trials.exog[:1, :calls]
    contexts, exog = quantize_inputs(lowered.program, trials.contexts[:1], known)
    log = run(firmware, contexts, COUNTED_STEPS, exog=exog, runner=runners[0])
    if log.stack_bytes is not None:
        usage["ram"] = float(model_ram_bytes(lowered, log.stack_bytes))
    if log.instructions_per_step is not None:
        usage["insns"] = float(log.instructions_per_step)
    return usage
