"""A Cortex-M in Unicorn: the board's memories, semihosting, faults, block counts.

Stricter than a board: flash cannot be written, RAM cannot be executed, and both end where the
real part's memories end. Laxer in one thing: unaligned access works on Armv6-M, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tqs_edge.errors import RunnerError, ToolMissing
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.elf import ElfImage
from tqs_edge.run.semihosting import Semihosting
from tqs_edge.run.step_count import StepSpan

PAGE = 0x1000
SYSTEM_CONTROL_SPACE = 0xE000E000
BREAKPOINT = 7  # the emulator's number of the exception that BKPT raises
BREAKPOINT_BYTES = 2
NOWHERE = 0xFFFFFFFE  # an address that is never reached: run until stopped
RETRY_SECONDS = 0.05


@dataclass
class BlockCounter:
    """Executions of blocks inside each call of tqs_model_step, by (address, bytes)."""

    span: StepSpan
    wanted: int  # calls to be counted
    inside: bool = False
    by_call: list[dict[tuple[int, int], int]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """All calls to be counted have returned."""
        return len(self.by_call) == self.wanted and not self.inside

    def on_block(self, _uc: Any, address: int, size: int, _data: object) -> None:
        """Unicorn's UC_HOOK_BLOCK callback."""
        if address == self.span.entry:
            self.inside = len(self.by_call) < self.wanted
            if self.inside:
                self.by_call.append({})
        elif address in self.span.returns:
            self.inside = False
        if self.inside:
            blocks = self.by_call[-1]
            blocks[address, size] = blocks.get((address, size), 0) + 1


@dataclass
class Trap:
    """Why the core stopped: an exception's number, the address of an invalid access."""

    exception: int | None = None
    address: int | None = None


@dataclass(frozen=True)
class Machine:
    """An emulator `uc` that holds a firmware; `binding` and `arm` are modules of unicorn."""

    board: Board
    image: ElfImage
    binding: Any
    arm: Any
    uc: Any
    trap: Trap

    @property
    def pc(self) -> int:
        """The program counter."""
        return int(self.uc.reg_read(self.arm.UC_ARM_REG_PC))

    def failure(self, text: str) -> RunnerError:
        """An error that says where the core is."""
        where = f"pc={self.pc:#010x} in {self.image.function_at(self.pc)}"
        return RunnerError(f"{self.board.name}: {text} at {where}")


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
    machine = _load(board, image)
    uc, arm = machine.uc, machine.arm
    hook = counter and uc.hook_add(machine.binding.UC_HOOK_BLOCK, counter.on_block)
    with _stopped_after(uc, timeout) as expired:
        while semihosting.exit_status is None:
            _run_to_breakpoint(machine)
            if expired.is_set():
                raise machine.failure(
                    f"no end within {timeout:g} s in Unicorn (raise the timeout or lower the "
                    "horizon); stopped"
                )
            operation, arguments = uc.reg_read(arm.UC_ARM_REG_R0), uc.reg_read(arm.UC_ARM_REG_R1)
            result = semihosting.call(uc, operation, arguments)
            uc.reg_write(arm.UC_ARM_REG_R0, result & 0xFFFFFFFF)
            uc.reg_write(arm.UC_ARM_REG_PC, (machine.pc + BREAKPOINT_BYTES) | 1)
            if hook is not None and counter is not None and counter.done:
                uc.hook_del(hook)
                uc.ctl_flush_tb()
                hook = None


def _load(board: Board, image: ElfImage) -> Machine:
    """The core after reset: memories filled, sp and pc from the vector table."""
    if board.core.unicorn is None:
        raise ToolMissing(f"Unicorn has no model of {board.core.name}; use the qemu runner")
    try:
        binding, arm = import_module("unicorn"), import_module("unicorn.arm_const")
    except ImportError:
        raise ToolMissing("unicorn is not installed; run: pip install unicorn") from None
    uc = binding.Uc(binding.UC_ARCH_ARM, binding.UC_MODE_THUMB | binding.UC_MODE_MCLASS)
    uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{board.core.unicorn.upper()}"))
    code = binding.UC_PROT_READ | binding.UC_PROT_EXEC
    data = binding.UC_PROT_READ | binding.UC_PROT_WRITE
    for origin, size, protection in (
        (board.flash_origin, board.flash_bytes, code),
        (board.ram_origin, board.ram_bytes, data),
        (SYSTEM_CONTROL_SPACE, PAGE, data),
    ):
        begin, end = origin // PAGE, -(-(origin + size) // PAGE)
        uc.mem_map(begin * PAGE, (end - begin) * PAGE, protection)
    for segment in image.segments:
        uc.mem_write(segment.address, segment.content)
    vectors = image.address_of("vector_table")
    stack, reset = (int.from_bytes(uc.mem_read(vectors + at, 4), "little") for at in (0, 4))
    uc.reg_write(arm.UC_ARM_REG_SP, stack)
    uc.reg_write(arm.UC_ARM_REG_PC, reset)
    return Machine(board, image, binding, arm, uc, _watch_traps(binding, uc))


def _watch_traps(binding: Any, uc: Any) -> Trap:
    """What stops the core, kept up to date by hooks. Exceptions cannot leave a hook.

    Writing the pc inside a hook would make later fault addresses imprecise, so the core is stopped
    at each BKPT and continued behind it.
    """
    trap = Trap()

    def on_interrupt(uc: Any, number: int, _data: object) -> None:
        trap.exception = number
        uc.emu_stop()

    def on_invalid(
        _uc: Any, _access: int, address: int, _size: int, _value: int, _data: object
    ) -> bool:
        trap.address = address
        return False

    uc.hook_add(binding.UC_HOOK_INTR, on_interrupt)
    uc.hook_add(binding.UC_HOOK_MEM_INVALID, on_invalid)
    return trap


def _run_to_breakpoint(machine: Machine) -> None:
    """Continues up to the next BKPT, or until the core is stopped; raises RunnerError on a fault.

    The pc is left at the BKPT.
    """
    trap, cause = machine.trap, ""
    try:
        machine.uc.emu_start(machine.pc | 1, NOWHERE)
    except machine.binding.UcError as error:
        cause = str(error) if trap.address is None else f"{error} of {trap.address:#010x}"
    if trap.exception not in (None, BREAKPOINT):
        cause = f"exception {trap.exception}"
    if cause:
        raise machine.failure(f"fault on the target: {cause}")


@contextmanager
def _stopped_after(uc: Any, timeout: float) -> Iterator[threading.Event]:
    """An event that is set, and the core stopped, once `timeout` seconds have passed.

    Unicorn's own timeout starts a thread for each emu_start, a hundred times the cost of a
    semihosting call. Stopping is repeated, since a core that is not running forgets it.
    """
    finished, expired = threading.Event(), threading.Event()

    def watch() -> None:
        delay = timeout
        while not finished.wait(delay):
            expired.set()
            uc.emu_stop()
            delay = RETRY_SECONDS

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield expired
    finally:
        finished.set()
        thread.join()
