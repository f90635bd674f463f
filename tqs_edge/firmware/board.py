"""Boards and cores as data: targets/boards/*.toml, targets/cores/*.toml, the user's own boards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqs_edge.errors import InputError
from tqs_edge.firmware.data_file import DataFile, make_record, read_data, shown
from tqs_edge.firmware.runtime import RUNTIMES
from tqs_edge.kernel_table import ISA_FOLDERS
from tqs_edge.resources import resource_dir

FLASHERS = ("pyocd", "openocd", "probe-rs", "st-flash", "dfu-util", "picotool", "uf2", "none")
CONSOLES = ("none", "semihosting", "uart", "rtt")
UART_DRIVERS = ("stm32f4", "stm32", "nrf", "nrf_uarte", "pl011", "cmsdk", "dw")
USER_FOLDER = "tqs-boards"  # searched in the working directory and in its parents
VECTOR_ALIGNMENT = 256  # bytes: VTOR of the cores, and the boot stage of RP2040


@dataclass(frozen=True)
class Core:
    """A processor core: what compilers and simulators call it, and its class of kernels."""

    name: str
    description: str
    isa: str  # kernel_table.ISA_FOLDERS: where its kernels are looked for
    gcc_flags: tuple[str, ...]
    zig_flags: tuple[str, ...]
    runtime: str = "cortex_m"  # runtime.RUNTIMES: start-up and linking
    gcc: str = "arm-none-eabi-gcc"  # the GCC for this core
    qemu: str = "qemu-system-arm"  # the QEMU for this core; a user-mode one for Linux programs
    qemu_cpu: str | None = None  # CPU model of user-mode QEMU
    unicorn: str | None = None  # CPU model of the Unicorn runner ("m4"); None: it has none


@dataclass(frozen=True)
class Uart:
    """A serial port. `setup`: register updates (address, mask, value) before the driver's own.

    An update is *address = (*address & ~mask) | value: clocks on, pins to the port.
    """

    name: str
    driver: str  # UART_DRIVERS: stm32f4 has SR and DR, stm32 ISR, RDR and TDR
    base: int
    clock_hz: int  # of the port after reset
    baud: int = 115200
    setup: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Board:
    """A core with memories. Sizes are bytes that the firmware may use; the linker enforces them."""

    name: str
    description: str
    maker: str
    part: str  # what is printed on the chip, without package and grade
    core: Core
    flash_origin: int  # behind a boot loader that stays on the board
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int  # reserved within ram_bytes
    clock_hz: int  # the highest of the core
    reset_clock_hz: int  # the core's after reset, at which the firmware runs
    boot: str | None = None  # file of targets/boot/ that the chip's ROM wants in the image
    qemu_machine: str | None = None  # a QEMU machine with memory at the same addresses
    qemu_ram_bytes: int | None = None  # what it has of the board's RAM, where that is less
    flasher: str = "pyocd"
    pyocd_target: str | None = None
    openocd_config: tuple[str, ...] = ()  # configuration files, in order
    probe_rs_chip: str | None = None
    dfu_id: str | None = None  # "0483:df11"
    uf2_family: int | None = None
    uf2_drive: str | None = None  # label of the boot loader's drive
    part_id: tuple[int, int, int] | None = None  # address, mask, value: how to know the part
    console: str = "none"  # how firmware on the board talks to a host
    uart: Uart | None = None
    sources: Mapping[str, str] = field(default_factory=dict)  # see board_facts.py

    @property
    def simulators(self) -> tuple[str, ...]:
        """The runners that can execute its firmware, the fastest first."""
        if self.core.runtime == "linux":
            return ("qemu-user",)
        unicorn = ("unicorn",) if self.core.unicorn else ()
        return (*unicorn, *(("qemu",) if self.qemu_machine else ()))


CHOICES = {
    "isa": tuple(ISA_FOLDERS),
    "runtime": tuple(RUNTIMES),
    "flasher": FLASHERS,
    "console": CONSOLES,
    "driver": UART_DRIVERS,
}


def board_names() -> tuple[str, ...]:
    """The names of the shipped boards and of the user's own, sorted."""
    return tuple(sorted(_board_files()))


def load_board(name: str) -> Board:
    """The board called `name`, or the one described by the file `name` ("mine.toml").

    Raises InputError for an unknown name, and with file and line for a key, value or size that
    cannot be.
    """
    if name.endswith(".toml"):
        path = Path(name)
        known = path.is_file()
    else:
        files = _board_files()
        path = files.get(name, Path(name))
        known = name in files
    if not known:
        raise InputError(
            f"unknown board '{name}'; known: {', '.join(board_names())}; "
            "`tqs-edge boards new NAME` writes a template for another one"
        )
    data = read_data(path, _find_board)
    if "core" not in data.values:
        raise data.error("core", f"key 'core' is missing; one of {', '.join(core_names())}")
    if data.values["core"] not in core_names():
        raise data.error(
            "core", f"unknown core '{data.values['core']}'; known: {', '.join(core_names())}"
        )
    core = load_core(data.values["core"])
    plain = DataFile(
        data.path, {key: data.values[key] for key in data.values if key != "core"}, data.places
    )
    board = make_record(Board, plain, given={"name": path.stem, "core": core}, choices=CHOICES)
    board = replace(board, sources={key: text for key, text in board.sources.items() if text})
    _check(board, data)
    return board


def core_names() -> tuple[str, ...]:
    """The names of all cores, sorted."""
    return tuple(sorted(path.stem for path in (resource_dir("targets") / "cores").glob("*.toml")))


def load_core(name: str) -> Core:
    """The core called `name`; raises InputError that lists the known ones."""
    if name not in core_names():
        raise InputError(f"unknown core '{name}'; known: {', '.join(core_names())}")
    folder = resource_dir("targets") / "cores"
    data = read_data(folder / f"{name}.toml", lambda other, _: folder / f"{other}.toml")
    return make_record(Core, data, given={"name": name}, choices=CHOICES)


def user_folders() -> tuple[Path, ...]:
    """The folders that hold the user's own boards, the nearest first."""
    here = Path.cwd()
    found = (folder / USER_FOLDER for folder in (here, *here.parents))
    return tuple(folder for folder in found if folder.is_dir())


def _board_files() -> dict[str, Path]:
    """Every board's file by name. Raises InputError where a user's board takes a shipped name."""
    shipped = resource_dir("targets") / "boards"
    files = {path.stem: path for path in shipped.glob("*.toml")}
    for folder in reversed(user_folders()):
        for path in sorted(folder.glob("*.toml")):
            if files.get(path.stem, path).parent == shipped:
                raise InputError(
                    f"{shown(path)}: '{path.stem}' is a shipped board; rename the file and write "
                    f'inherits = "{path.stem}" to change some of its values'
                )
            files[path.stem] = path
    return files


def _find_board(name: str, heir: Path) -> Path:
    """The file that `inherits = name` means in the file `heir`: beside it, else any board."""
    beside = heir.parent / f"{name}.toml"
    shipped = resource_dir("targets") / "boards" / f"{name}.toml"
    for path in (beside, _board_files().get(name, shipped)):
        if path.is_file():
            return path
    raise InputError(
        f"{shown(heir)}: inherits '{name}', which is unknown; known: {', '.join(board_names())}"
    )


def _check(board: Board, data: DataFile) -> None:
    """Raises InputError for sizes and addresses that cannot be."""
    for key in ("flash_bytes", "ram_bytes", "stack_bytes", "clock_hz", "reset_clock_hz"):
        if getattr(board, key) <= 0:
            raise data.error(key, f"{key} is a positive number, got {getattr(board, key)}")
    if board.stack_bytes % 8 or board.stack_bytes >= board.ram_bytes:
        raise data.error(
            "stack_bytes",
            f"stack_bytes = {board.stack_bytes} is not a multiple of 8 below ram_bytes = "
            f"{board.ram_bytes}",
        )
    if board.flash_origin % VECTOR_ALIGNMENT:
        raise data.error(
            "flash_origin",
            f"flash_origin = {board.flash_origin:#x} is not a multiple of {VECTOR_ALIGNMENT}, "
            "which the vector table needs",
        )
    first, second = sorted(
        ((board.flash_origin, board.flash_bytes), (board.ram_origin, board.ram_bytes))
    )
    if first[0] < 0 or first[0] + first[1] > second[0] or sum(second) > 1 << 32:
        raise data.error("ram_origin", "flash and RAM overlap or leave the 32-bit address space")
    if board.boot is not None and not (resource_dir("targets") / "boot" / board.boot).is_file():
        known = sorted(path.name for path in (resource_dir("targets") / "boot").iterdir())
        raise data.error("boot", f"boot = '{board.boot}'; allowed: {', '.join(known)}")
