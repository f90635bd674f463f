"""An nRF52832 as a debugger sees it: Unicorn's Cortex-M4, NVMC rules, core debug registers.

Flash algorithms and firmware run here as real Arm code. Flash starts full of an old firmware's
bytes, bits only clear, and each erase or write needs its enable, as in the product specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from pyocd.core.exceptions import TransferFaultError
from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_INTR,
    UC_HOOK_MEM_WRITE_PROT,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    UC_PROT_EXEC,
    UC_PROT_READ,
    Uc,
    UcError,
)
from unicorn import arm_const as arm

FLASH_BYTES, PAGE, RAM, RAM_BYTES = 0x80000, 0x1000, 0x20000000, 0x10000
FICR, FICR_PART = 0x10000000, 0x10000100
PERIPHERALS, PERIPHERALS_BYTES = 0x40000000, 0x20000
READY, READY_NEXT, CONFIG, ERASE_PAGE, ERASE_ALL = (
    0x4001E000 + offset for offset in (0x400, 0x408, 0x504, 0x508, 0x50C)
)
WRITE_ENABLED, ERASE_ENABLED = 1, 2
DWT, SCS, ROM_TABLE = 0xE0001000, 0xE000E000, 0xE00FF000
CYCCNT = 0x004
CPUID, AIRCR, DFSR, DHCSR, DCRSR, DCRDR, DEMCR, MVFR0 = (
    *(0xD00, 0xD0C, 0xD30, 0xDF0),
    *(0xDF4, 0xDF8, 0xDFC, 0xF40),
)
COMPONENT_ID = {0xFF0: 0x0D, 0xFF8: 0x05, 0xFFC: 0xB1, 0xFE4: 0xB0, 0xFE8: 0x0B, 0xFD0: 0x04}
SCS_ID = {**COMPONENT_ID, 0xFE0: 0x0C, 0xFF4: 0xE0}
ROM_TABLE_WORDS = {**COMPONENT_ID, 0x000: 0xFFF0F003, 0xFE0: 0x08, 0xFF4: 0x10}  # one entry: SCS
REGISTERS = {
    **{number: arm.UC_ARM_REG_R0 + number for number in range(13)},
    13: arm.UC_ARM_REG_SP,
    14: arm.UC_ARM_REG_LR,
    15: arm.UC_ARM_REG_PC,
    16: arm.UC_ARM_REG_XPSR,
    17: arm.UC_ARM_REG_MSP,
    18: arm.UC_ARM_REG_PSP,
}
OLD_FIRMWARE = struct.pack("<II", RAM + RAM_BYTES, 0x101) + b"\xa5" * 0xF8 + b"\xfe\xe7"  # b .
SLICE = 50_000  # instructions between two looks of the debugger


@dataclass
class Faults:
    """What goes wrong. drop_word: number of the write that is lost, from 1; part: another FICR."""

    drop_word: int | None = None
    ignore_erase: bool = False
    part: int = 0x52832


@dataclass
class Counts:
    """What the flash controller was asked for, and what it must not be asked."""

    erases: int = 0
    words: int = 0
    resets: int = 0
    violations: list[str] = field(default_factory=list)


class SimChip:
    """A part that runs a slice of its program whenever the debugger looks at it."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults, self.counts = faults or Faults(), Counts()
        self.uc = uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        uc.mem_map(0, FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_write(0, OLD_FIRMWARE.ljust(FLASH_BYTES, b"\xa5"))
        uc.mem_map(FICR, 0x2000)
        uc.mem_write(FICR + 0x010, struct.pack("<II", PAGE, FLASH_BYTES // PAGE))
        uc.mem_write(FICR_PART, struct.pack("<III", self.faults.part, 0x41414230, 0x2000))
        uc.mem_map(RAM, RAM_BYTES)
        uc.mmio_map(PERIPHERALS, PERIPHERALS_BYTES, self._io_read, None, self._io_write, None)
        uc.mmio_map(DWT, PAGE, self._dwt_read, None, self._dwt_write, None)
        uc.mem_map(SCS, PAGE)  # enough for the program; the debugger's view is below
        uc.hook_add(UC_HOOK_INTR, self._on_exception)
        uc.hook_add(UC_HOOK_MEM_WRITE_PROT, self._on_flash_write)
        self._config = self._cycles = 0
        self._dhcsr = self._dcrdr = self._demcr = self._dfsr = 0
        self._was_reset = self._trapped = False
        self._halted = False
        self.reset()

    def flash(self, begin: int, size: int) -> bytes:
        """What the flash holds."""
        return bytes(self.uc.mem_read(begin, size))

    @property
    def running(self) -> bool:
        """Whether the core is not halted."""
        return not self._halted

    # The flash controller.
    def _io_read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        address = PERIPHERALS + offset
        if address in (READY, READY_NEXT):
            return 1
        return self._config if address == CONFIG else 0

    def _io_write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        address = PERIPHERALS + offset
        if address == CONFIG:
            self._config = value & 3
        elif address == ERASE_PAGE:
            self._erase(value & -PAGE, PAGE)
        elif address == ERASE_ALL and value & 1:
            self._erase(0, FLASH_BYTES)

    def _erase(self, begin: int, size: int) -> None:
        if self._config != ERASE_ENABLED:
            self.counts.violations.append(f"erase of {begin:#x} without its enable")
            return
        self.counts.erases += 1
        if not self.faults.ignore_erase:
            self.uc.mem_write(begin, b"\xff" * size)

    def _on_flash_write(
        self, uc: Uc, access: int, address: int, size: int, value: int, data: object
    ) -> bool:
        if self._config != WRITE_ENABLED:
            self.counts.violations.append(f"write of {address:#x} without its enable")
            return False
        self.counts.words += 1
        if self.counts.words != self.faults.drop_word:
            new = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
            old = uc.mem_read(address, size)
            uc.mem_write(address, bytes(o & n for o, n in zip(old, new, strict=True)))
        return True

    # The cycle counter: 10 cycles between two looks, once it is enabled.
    def _dwt_read(self, uc: Uc, offset: int, size: int, data: object) -> int:
        if offset == CYCCNT and self._cycles:
            self._cycles += 10
        return self._cycles if offset == CYCCNT else 0

    def _dwt_write(self, uc: Uc, offset: int, size: int, value: int, data: object) -> None:
        if offset == 0 and value & 1:
            self._cycles = self._cycles or 1

    # The core.
    def _on_exception(self, uc: Uc, number: int, data: object) -> None:
        self._trapped = True
        uc.emu_stop()

    def _run_slice(self) -> None:
        if self._halted:
            return
        self._trapped = False
        try:
            self.uc.emu_start(self.uc.reg_read(arm.UC_ARM_REG_PC) | 1, 0xFFFFFFFE, count=SLICE)
        except UcError as error:
            pc = self.uc.reg_read(arm.UC_ARM_REG_PC)
            self.counts.violations.append(f"{error} at pc={pc:#x}")
            self._trapped = True
        if self._trapped:
            self._halted = True
            self._dfsr |= 2

    def reset(self) -> None:
        """Starts the program in flash; stays halted where the debugger catches the reset."""
        self.uc.ctl_flush_tb()  # flash was rewritten from a hook
        self.counts.resets += 1
        stack, start = struct.unpack("<II", self.uc.mem_read(0, 8))
        for number in range(13):
            self.uc.reg_write(REGISTERS[number], 0)
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack & ~3)
        self.uc.reg_write(arm.UC_ARM_REG_LR, 0xFFFFFFFF)
        self.uc.reg_write(arm.UC_ARM_REG_PC, start & ~1)
        self._cycles = self._config = 0
        self._was_reset = True
        self._halted = bool(self._demcr & 1) and bool(self._dhcsr & 1)

    # The bus as the debugger sees it.
    def read_word(self, address: int) -> int:
        """The aligned word at `address`; the program goes on for a slice first."""
        self._run_slice()
        if ROM_TABLE <= address < ROM_TABLE + PAGE:
            return ROM_TABLE_WORDS.get(address - ROM_TABLE, 0)
        if SCS <= address < SCS + PAGE:
            return self._read_debug(address - SCS)
        if PERIPHERALS <= address < PERIPHERALS + PERIPHERALS_BYTES:
            return self._io_read(self.uc, address - PERIPHERALS, 4, None)
        try:
            return int.from_bytes(self.uc.mem_read(address & ~3, 4), "little")
        except UcError:
            raise TransferFaultError(address) from None

    def _read_debug(self, offset: int) -> int:
        if offset == DHCSR:
            status = 1 << 16 | self._halted << 17 | self._was_reset << 25
            self._was_reset = False
            return self._dhcsr | status
        words = {CPUID: 0x410FC241, MVFR0: 0x10110021, AIRCR: 0xFA050000}
        words |= {DCRDR: self._dcrdr, DEMCR: self._demcr, DFSR: self._dfsr}
        return words.get(offset, SCS_ID.get(offset, 0))

    def write(self, address: int, value: int, size: int) -> None:
        """`size` bytes in the lanes of `value` to `address`."""
        if SCS <= address < SCS + PAGE:
            self._write_debug(address - SCS, value)
        elif PERIPHERALS <= address < PERIPHERALS + PERIPHERALS_BYTES:
            self._io_write(self.uc, address - PERIPHERALS, size, value, None)
        elif address < FLASH_BYTES:
            self.counts.violations.append(f"the debugger wrote flash at {address:#x} by itself")
        else:
            lane = value >> 8 * (address & 3) if size < 4 else value
            try:
                content = (lane & ((1 << 8 * size) - 1)).to_bytes(size, "little")
                self.uc.mem_write(address, content)
            except UcError:
                raise TransferFaultError(address) from None

    def _write_debug(self, offset: int, value: int) -> None:
        if offset == DHCSR and value >> 16 == 0xA05F:
            self._dhcsr = value & 0xF
            self._halted = bool(value & 2)
            self._dfsr |= self._halted
        elif offset == DCRSR:
            self._move_register(value & 0x7F, bool(value & 0x10000))
        elif offset == DCRDR:
            self._dcrdr = value
        elif offset == DEMCR:
            self._demcr = value
        elif offset == DFSR:
            self._dfsr &= ~value
        elif offset == AIRCR and value >> 16 == 0x05FA and value & 5:
            self.reset()

    def _move_register(self, number: int, to_core: bool) -> None:
        register = REGISTERS.get(number)
        if register is None:
            self._dcrdr = 0
        elif to_core:
            even = register == arm.UC_ARM_REG_PC
            self.uc.reg_write(register, self._dcrdr & ~1 if even else self._dcrdr)
        else:
            self._dcrdr = self.uc.reg_read(register)
