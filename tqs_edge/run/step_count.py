"""Exact instruction counts of tqs_model_step, from the blocks of code that a simulator executed.

A call is counted from the entry of tqs_model_step to the instruction behind the call in the
driver: everything the model does, kernels, table functions and compiler support included, and
nothing of the driver. Both simulators count the same calls, the first COUNTED_CALLS of a run by
default, and report executed blocks. Instructions in an IT block count whether their condition
holds or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tqs_edge.errors import RunnerError
from tqs_edge.firmware.elf import ElfImage
from tqs_edge.run.calls import behind_calls

COUNTED_CALLS = 64
STEP = "tqs_model_step"


@dataclass(frozen=True)
class StepSpan:
    """Where a call of the model begins, and the addresses that it can return to."""

    entry: int
    returns: tuple[int, ...]


class Block(NamedTuple):
    """Instructions that are executed one after the other."""

    address: int
    instructions: int


@dataclass(frozen=True)
class StepCount:
    """Instructions of tqs_model_step: of every call, and the means in total and by function."""

    by_call: tuple[int, ...]
    per_step: float
    by_function: Mapping[str, float]


def step_span(image: ElfImage) -> StepSpan:
    """The entry of tqs_model_step and the addresses behind each instruction that calls it.

    Raises RunnerError when the firmware calls it in no such way.
    """
    entry = image.address_of(STEP)
    found = []
    for section in image.sections:
        if section.name in (".driver", ".text") and section.content:
            code, target = section.content, entry - section.address
            found += [section.address + at for at in behind_calls(image.code, code, target)]
    if not found:
        raise RunnerError(f"no call of {STEP} found in the firmware, so none can be counted")
    return StepSpan(entry, tuple(found))


def count_step(image: ElfImage, blocks: Mapping[Block, int], by_call: Sequence[int]) -> StepCount:
    """Instructions per call from the number of executions of each block in all calls together.

    by_call: instructions of every call. Raises RunnerError when no call was seen.
    """
    calls = len(by_call)
    if not calls:
        raise RunnerError(f"{STEP} was never called, so its instructions cannot be counted")
    by_function: Counter[str] = Counter()
    for block, executions in blocks.items():
        by_function[image.function_at(block.address)] += block.instructions * executions
    per_step = sum(by_function.values()) / calls
    ranked = by_function.most_common()
    return StepCount(tuple(by_call), per_step, {name: count / calls for name, count in ranked})


def block_of(image: ElfImage, address: int, size: int) -> Block:
    """The block of `size` bytes of Thumb code at `address`; RunnerError when it is elsewhere."""
    for section in image.sections:
        begin = address - section.address
        if begin >= 0 and begin + size <= len(section.content):
            return Block(address, _instructions(section.content[begin : begin + size]))
    raise RunnerError(f"instructions were executed at {address:#x}, outside of the firmware")


def _instructions(code: bytes) -> int:
    """Thumb instructions in whole blocks of code: first halfwords from 0xE800 on have a second."""
    count = at = 0
    while at < len(code):
        at += 4 if code[at + 1] >= 0xE8 else 2
        count += 1
    return count
