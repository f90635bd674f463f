"""The QEMU runners: the real ELF on a simulated board, or as a Linux program of another core."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tqs_edge.errors import RunnerError, ToolMissing
from tqs_edge.firmware.board import Board, Core
from tqs_edge.firmware.build import Firmware
from tqs_edge.firmware.elf import ElfImage, read_elf
from tqs_edge.run.qemu_plugin import plugin_library
from tqs_edge.run.rollout_files import (
    INPUT_NAME,
    OUTPUT_NAME,
    RolloutRequest,
    decode_output,
    encode_input,
)
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.step_count import Block, StepCount, count_step, step_span

PACKAGES = {"qemu-system-riscv32": "qemu-system-misc"}  # where the name is another
QUIET = ("-nodefaults", "-display", "none", "-monitor", "none", "-serial", "none")
SEMIHOSTING = ("-semihosting-config", "enable=on,target=native")
COUNT_NAME = "count.txt"
VECTORS_NAME = "vectors.bin"
# Where machines with TrustZone find stack pointer and entry after reset: no option moves that.
RESET_VECTORS = {"mps2-an505": 0x10000000, "mps3-an547": 0x00000000}
SECURE_ALIAS = 1 << 28  # the address bit between the two views of their memories
EXIT_MEANINGS = {
    3: "could not read its input",
    4: "could not write its output",
    5: "refused the model's weights",
    253: "met an exception that it does not handle",
}


def run_qemu(firmware: Firmware, request: RolloutRequest, timeout: float, count: int) -> RunLog:
    """Frames, stack use and instructions of its first `count` calls on a simulated board.

    Raises ToolMissing without QEMU or a machine for the board, RunnerError on a fault, a timeout,
    short output, or where the machine has too little RAM.
    """
    command = (*qemu_command(firmware.board), "-kernel")
    _check_ram(firmware)
    return _run(command, "qemu", firmware, request, timeout, count)


def run_qemu_user(
    firmware: Firmware, request: RolloutRequest, timeout: float, count: int
) -> RunLog:
    """The same for a Linux program, whose system calls this computer serves."""
    core = firmware.board.core
    if core.runtime != "linux":
        raise ToolMissing(f"{firmware.board.name} does not run Linux; use the qemu runner")
    command = (_program(core, "qemu-user"), "-cpu", str(core.qemu_cpu))
    return _run(command, "qemu-user", firmware, request, timeout, count)


def _run(
    command: tuple[str, ...],
    runner: str,
    firmware: Firmware,
    request: RolloutRequest,
    timeout: float,
    count: int,
) -> RunLog:
    """Runs `command`, to which the plugin and the ELF file are added, on the files of `request`."""
    image = read_elf(firmware.elf)
    with tempfile.TemporaryDirectory(prefix="tqs-qemu-") as name:
        folder = Path(name)
        (folder / INPUT_NAME).write_bytes(encode_input(request))
        plugin = ("-plugin", _plugin_option(image, count)) if count else ()
        program = folder / firmware.elf.name
        shutil.copyfile(firmware.elf, program)
        program.chmod(0o755)  # user-mode QEMU refuses what is not executable, without a word
        vectors = reset_vectors(firmware.board, image, folder)
        whole = [command[0], *plugin, *vectors, *command[1:], str(program)]
        _execute(whole, folder, firmware, image, timeout)
        frames, stack_bytes = decode_output(_read_output(folder / OUTPUT_NAME), request)
        counted = _read_count(folder / COUNT_NAME, image) if count else None
    return RunLog(
        frames=frames,
        runner=runner,
        board=firmware.board.name,
        stack_bytes=stack_bytes,
        instructions_per_step=counted.per_step if counted else None,
        instructions_by_function=counted.by_function if counted else None,
        instructions_by_call=counted.by_call if counted else None,
    )


def _program(core: Core, package: str) -> str:
    program = shutil.which(core.qemu)
    if program is None:
        raise ToolMissing(f"{core.qemu} is not on PATH; install {package}, or use another runner")
    return program


def qemu_command(board: Board) -> tuple[str, ...]:
    """The command line that simulates `board`, up to the firmware.

    Raises ToolMissing when QEMU is absent or simulates no such board.
    """
    core = board.core
    if board.qemu_machine is None:
        other = "qemu-user" if core.runtime == "linux" else "unicorn"
        raise ToolMissing(f"QEMU has no machine for {board.name}; use the {other} runner")
    program = _program(core, PACKAGES.get(core.qemu, core.qemu))
    if core.runtime == "riscv":
        own: tuple[str, ...] = ("-bios", "none")
    else:  # behind a boot loader the vectors are not where the machine looks for them after reset
        own = ("-global", f"armv7m.init-nsvtor={board.flash_origin:#x}")
    return (program, "-M", board.qemu_machine, *own, *QUIET, *SEMIHOSTING)


def _check_ram(firmware: Firmware) -> None:
    """Raises RunnerError for firmware that fits the board but not the machine in its place."""
    board = firmware.board
    if board.qemu_ram_bytes is None:
        return
    begin, end = board.ram_origin, board.ram_origin + board.ram_bytes
    places = (s.address + s.size for s in read_elf(firmware.elf).sections if s.address >= begin)
    used = max((place for place in places if place <= end), default=begin) - begin
    if used > board.qemu_ram_bytes:
        raise RunnerError(
            f"{board.name}: the firmware needs {used} bytes of RAM, of which QEMU's "
            f"{board.qemu_machine} has {board.qemu_ram_bytes}; it can only run on the board"
        )


def reset_vectors(board: Board, image: ElfImage, folder: Path) -> tuple[str, ...]:
    """Options that let a machine start from the image's vector table where it looks elsewhere.

    On such boards a boot loader does that: it gives the core the address of the table.

    folder: where a file is written that the machine loads
    """
    place = RESET_VECTORS.get(board.qemu_machine or "")
    if place is None or place | SECURE_ALIAS == board.flash_origin | SECURE_ALIAS:
        return ()
    vectors = folder / VECTORS_NAME
    vectors.write_bytes(image.bytes_at(image.address_of("vector_table"), 8))
    return ("-device", f"loader,file={vectors},addr={place:#x},force-raw=on")


def _plugin_option(image: ElfImage, calls: int) -> str:
    span = step_span(image)
    returns = "".join(f",return={address:x}" for address in span.returns)
    options = f"out={COUNT_NAME},entry={span.entry:x},calls={calls}{returns}"
    return f"{plugin_library()},{options}"


def _execute(
    command: list[str], folder: Path, firmware: Firmware, image: ElfImage, timeout: float
) -> None:
    board = firmware.board.name
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise RunnerError(
            f"{board}: no end within {timeout:g} s in QEMU; raise the timeout or lower the horizon"
        ) from None
    if done.returncode == 0:
        return
    if (fault := _fault_text(done.stderr, image)) is not None:
        raise RunnerError(f"{board}: fault on the target: {fault}")
    meaning = EXIT_MEANINGS.get(done.returncode)
    if meaning is not None:
        raise RunnerError(f"{board}: the firmware {meaning} (exit status {done.returncode})")
    lines = [line for line in done.stderr.splitlines() if "warning" not in line] or ["no message"]
    raise RunnerError(f"{board}: QEMU ended with status {done.returncode}: {lines[0]}")


def _fault_text(console: str, image: ElfImage) -> str | None:
    """What startup.c's fault handler printed, with the function added; None without a fault."""
    if "Lockup" in console:
        return "lockup, the fault handler itself could not run"
    if signal := re.search(r"uncaught target signal \d+ \((.*?)\)", console):
        return signal[1].lower()
    match = re.search(r"^FAULT (.*)$", console, re.MULTILINE)
    if match is None:
        return None
    text = match.group(1)
    if where := re.search(r"pc=(0x[0-9a-f]+)", text):
        text += f" in {image.function_at(int(where.group(1), 16))}"
    return text.replace("stack_overflow", "stack overflow")


def _read_output(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _read_count(path: Path, image: ElfImage) -> StepCount:
    if not path.is_file():
        raise RunnerError("QEMU did not run the counting plugin; run without counting")
    by_call: list[int] = []
    blocks = {}
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *values = line.split()
        if kind == "call":
            by_call.append(int(values[0]))
        else:
            blocks[Block(int(values[0], 16), int(values[1]))] = int(values[2])
    return count_step(image, blocks, by_call)
