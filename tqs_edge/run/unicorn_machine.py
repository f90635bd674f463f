"""A Cortex-M in Unicorn: the board's memories, semihosting, faults, block counts.

Stricter than a board: flash cannot be written, RAM cannot be executed, and both end where the
real part's memories end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tqs_edge.errors import RunnerError, ToolMissing
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import ElfImage
from tqs_edge.run.semihosting import Semihosting
from tqs_edge.run.step_count import COUNTED_CALLS, StepSpan

if TYPE_CHECKING:
    from unicorn import Uc

PAGE = 0x1000
SYSTEM_CONTROL_SPACE = 0xE000E000
BREAKPOINT = 7  # the emulator's number of the exception that BKPT raises
NOWHERE = 0xFFFFFFFE  # an address that is never reached: run until stopped


@dataclass
class BlockCounter:
    """Executions of blocks inside tqs_model_step, by (address, bytes)."""

    span: StepSpan
    calls: int = 0
    inside: bool = False
    blocks: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """All calls to be counted have returned."""
        return self.calls == COUNTED_CALLS and not self.inside

    def on_block(self, uc: Uc, address: int, size: int, data: object) -> None:
        """Unicorn's UC_HOOK_BLOCK callback."""
        if address == self.span.entry:
            self.inside = self.calls < COUNTED_CALLS
            self.calls += self.inside
        elif address in self.span.returns:
            self.inside = False
        if self.inside:
            self.blocks[address, size] = self.blocks.get((address, size), 0) + 1


def run_machine(
    board: Board,
    image: ElfImage,
    semihosting: Semihosting,
    counter: BlockCounter | None,
    timeout: float,
) -> None:
    """Runs the firmware from reset until it exits through `semihosting`.

    With a `counter` the first calls of the model run hooked; what follows runs at full speed.
    Raises ToolMissing without unicorn or a model of the core, RunnerError with address and pc for
    an unmapped access or an illegal instruction, and when `timeout` seconds have passed.
    """
    uc = _load(board, image)
    from unicorn import UC_HOOK_BLOCK, UC_HOOK_INTR, arm_const

    def on_interrupt(uc: Uc, number: int, data: object) -> None:
        pc = uc.reg_read(arm_const.UC_ARM_REG_PC)
        if number != BREAKPOINT:
            raise RunnerError(f"{board.name}: exception {number} at {_place(image, pc)}")
        operation = uc.reg_read(arm_const.UC_ARM_REG_R0)
        result = semihosting.call(uc, operation, uc.reg_read(arm_const.UC_ARM_REG_R1))
        uc.reg_write(arm_const.UC_ARM_REG_R0, result & 0xFFFFFFFF)
        uc.reg_write(arm_const.UC_ARM_REG_PC, (pc + 2) | 1)
        if semihosting.exit_status is not None or (counting and counter and counter.done):
            uc.emu_stop()

    deadline = time.monotonic() + timeout
    uc.hook_add(UC_HOOK_INTR, on_interrupt)
    counting = counter is not None
    if counter is not None:
        hook = uc.hook_add(UC_HOOK_BLOCK, counter.on_block)
        _run_until_stopped(uc, board, image, deadline)
        uc.hook_del(hook)
        uc.ctl_flush_tb()
        counting = False
    while semihosting.exit_status is None and time.monotonic() < deadline:
        _run_until_stopped(uc, board, image, deadline)
    if semihosting.exit_status is None:
        pc = _place(image, uc.reg_read(arm_const.UC_ARM_REG_PC))
        raise RunnerError(
            f"{board.name}: no end within {timeout:g} s in Unicorn, stopped at {pc}; "
            "raise the timeout or lower the horizon"
        )


def _load(board: Board, image: ElfImage) -> Uc:
    """The core after reset: memories filled, sp and pc from the vector table."""
    if find_spec("unicorn") is None:
        raise ToolMissing("unicorn is not installed; run: pip install unicorn")
    if board.core.unicorn is None:
        raise ToolMissing(f"Unicorn has no model of {board.core.name}; use the qemu runner")
    import unicorn
    from unicorn import arm_const

    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_CORTEX_{board.core.unicorn.upper()}"))
    flash = image.address_of("flash_origin")
    code = unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC
    data = unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
    for origin, size, protection in (
        (flash, board.flash_bytes, code),
        (image.address_of("ram_origin"), board.ram_bytes, data),
        (SYSTEM_CONTROL_SPACE, PAGE, data),
    ):
        uc.mem_map(origin, -(-size // PAGE) * PAGE, protection)
    for segment in image.segments:
        uc.mem_write(segment.address, segment.content)
    stack, reset = (int.from_bytes(uc.mem_read(flash + at, 4), "little") for at in (0, 4))
    uc.reg_write(arm_const.UC_ARM_REG_SP, stack)
    uc.reg_write(arm_const.UC_ARM_REG_PC, reset)
    return uc


def _run_until_stopped(uc: Uc, board: Board, image: ElfImage, deadline: float) -> None:
    """Continues at the current pc until a hook stops the core or the deadline passes."""
    from unicorn import UC_HOOK_MEM_INVALID, UcError, arm_const

    accesses: list[tuple[int, int]] = []

    def on_invalid(uc: Uc, access: int, address: int, size: int, value: int, data: object) -> bool:
        accesses.append((address, uc.reg_read(arm_const.UC_ARM_REG_PC)))
        return False

    hook = uc.hook_add(UC_HOOK_MEM_INVALID, on_invalid)
    remaining = max(1, int(1e6 * (deadline - time.monotonic())))
    try:
        uc.emu_start(uc.reg_read(arm_const.UC_ARM_REG_PC) | 1, NOWHERE, timeout=remaining)
    except UcError as error:
        # After the error the pc may still be that of the block; inside the hook it is exact.
        address, pc = accesses[-1] if accesses else (None, uc.reg_read(arm_const.UC_ARM_REG_PC))
        where = _place(image, pc) if address is None else f"{address:#010x}, {_place(image, pc)}"
        raise RunnerError(f"{board.name}: fault on the target: {error} at {where}") from None
    finally:
        uc.hook_del(hook)


def _place(image: ElfImage, pc: int) -> str:
    return f"pc={pc:#010x} in {image.function_at(pc)}"
