"""The Unicorn runner: the same ELF as on QEMU, inside this process; needs pip only."""

from __future__ import annotations

from collections import Counter

from tqs_edge.errors import RunnerError
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.elf import ElfImage, read_elf
from tqs_edge.run.rollout_files import (
    INPUT_NAME,
    OUTPUT_NAME,
    RolloutRequest,
    decode_output,
    encode_input,
)
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.semihosting import MemoryFiles, Semihosting
from tqs_edge.run.step_count import Block, StepCount, block_of, count_step, step_span
from tqs_edge.run.unicorn_machine import BlockCounter, run_machine


def run_unicorn(firmware: Firmware, request: RolloutRequest, timeout: float, count: int) -> RunLog:
    """Frames, stack use and instructions of its first `count` calls in Unicorn.

    Raises ToolMissing without unicorn or a model of the core, RunnerError on a fault, a timeout,
    an exit status other than 0 or short output.
    """
    image = read_elf(firmware.elf)
    files = MemoryFiles({INPUT_NAME: encode_input(request)})
    semihosting = Semihosting(files)
    counter = BlockCounter(step_span(image), count) if count else None
    run_machine(firmware.board, image, semihosting, counter, timeout)
    if semihosting.exit_status:
        raise RunnerError(
            f"{firmware.board.name}: the firmware ended with exit status "
            f"{semihosting.exit_status} {semihosting.console.strip()}".rstrip()
        )
    frames, stack_bytes = decode_output(files.contents(OUTPUT_NAME), request)
    counted = _count(image, counter) if counter else None
    return RunLog(
        frames=frames,
        runner="unicorn",
        board=firmware.board.name,
        stack_bytes=stack_bytes,
        instructions_per_step=counted.per_step if counted else None,
        instructions_by_function=counted.by_function if counted else None,
        instructions_by_call=counted.by_call if counted else None,
    )


def _count(image: ElfImage, counter: BlockCounter) -> StepCount:
    blocks: Counter[Block] = Counter()
    by_call = []
    for executed in counter.by_call:
        call = Counter({block_of(image, *key): times for key, times in executed.items()})
        by_call.append(sum(block.instructions * times for block, times in call.items()))
        blocks += call
    return count_step(image, blocks, by_call)
