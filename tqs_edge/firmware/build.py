"""SourceBundle + kernels + targets -> firmware files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.artifacts import load, save, sha256, write_bytes
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.command import CompilerFailed, run_compiler
from tqs_edge.firmware.drivers import Driver, drivers_of
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.image import binary_image, hex_image
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.firmware.optimize import Optimize
from tqs_edge.firmware.overflow import overflow_error, with_room
from tqs_edge.firmware.runtime import RUNTIMES
from tqs_edge.firmware.size import FirmwareSize, measure_size
from tqs_edge.firmware.sources import PORTABLE, copy_targets, write_sources
from tqs_edge.firmware.toolchain import (
    WITHOUT_RUNTIME,
    Toolchain,
    compile_flags,
    environment_in,
    link_attempts,
    link_flags,
)
from tqs_edge.firmware.uf2 import uf2_image

RECORD_NAME = "firmware.json"


@dataclass(frozen=True)
class FirmwareRecord:
    """What firmware.json keeps of a build.

    sha256: hex digest by file name ("firmware.elf", "firmware.hex", ...)
    """

    board: Board
    size: FirmwareSize
    compiler: str
    compiler_version: str
    optimize: Optimize
    model_hash: str
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Firmware:
    """A built rollout firmware: files in `folder`, what they were made from and what they take."""

    folder: Path
    bundle: SourceBundle
    record: FirmwareRecord

    @property
    def board(self) -> Board:
        """The board that it was built for."""
        return self.record.board

    @property
    def size(self) -> FirmwareSize:
        """What it takes of the board's memories."""
        return self.record.size

    @property
    def elf(self) -> Path:
        """The linked file with symbols; what the simulators run."""
        return self.folder / "firmware.elf"

    @property
    def hex(self) -> Path:
        """The flash content as Intel HEX."""
        return self.folder / "firmware.hex"

    @property
    def bin(self) -> Path:
        """The flash content from its lowest address on."""
        return self.folder / "firmware.bin"

    @property
    def has_link(self) -> bool:
        """Whether there is an image that talks to a host by itself, without a debugger."""
        return "device.elf" in self.record.sha256

    @property
    def board_images(self) -> Mapping[str, Path]:
        """The files for the real board by suffix ("elf", "hex", "bin", "uf2")."""
        stem = "device" if self.has_link else "firmware"
        names = [name for name in self.record.sha256 if name.startswith(f"{stem}.")]
        return {name.removeprefix(f"{stem}."): self.folder / name for name in names}


def build(bundle: SourceBundle, board: Board, toolchain: Toolchain, out_dir: Path) -> Firmware:
    """The firmware of a model for a board, written to out_dir/firmware.{elf,hex,bin,json},
    and firmware.uf2 where the board has a family of it.

    The same bundle, board, compiler version and optimization give the same bytes, wherever they
    are built.
    Raises BuildError when a file does not compile or the firmware does not fit the board.
    """
    contents: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="tqs-build-") as name:
        folder = Path(name)
        boot = () if board.boot is None else (f"boot/{board.boot}",)
        isa = PORTABLE if toolchain.optimize is Optimize.SIZE else board.core.isa
        shared = write_sources(bundle, isa, folder)
        shared += copy_targets((*RUNTIMES[board.core.runtime].start_up, *boot), folder)
        objects = _compile(shared, board, toolchain, folder)
        for driver in drivers_of(board):
            elf = _link(driver, objects, board, toolchain, folder)
            contents |= _images(driver.image, elf, board)
            if driver.image == "firmware":
                size = measure_size(read_elf(elf))
    record = FirmwareRecord(
        board=board,
        size=size,
        compiler=toolchain.name,
        compiler_version=toolchain.version,
        optimize=toolchain.optimize,
        model_hash=bundle.model_hash,
        sha256={name: sha256(content) for name, content in contents.items()},
    )
    for name, content in contents.items():
        write_bytes(out_dir / name, content)
    save(out_dir / RECORD_NAME, record)
    return Firmware(out_dir, bundle, record)


def load_firmware(folder: Path, bundle: SourceBundle) -> Firmware:
    """The firmware that `build` wrote to `folder` from `bundle`.

    Raises InputError when a file is missing, was changed, or belongs to another model.
    """
    record = load(folder / RECORD_NAME, FirmwareRecord)
    if record.model_hash != bundle.model_hash:
        raise InputError(f"'{folder}' holds the firmware of another model; compile again")
    for name, digest in record.sha256.items():
        path = folder / name
        if not path.is_file() or sha256(path.read_bytes()) != digest:
            raise InputError(f"'{path}' is missing or was changed after the build; compile again")
    return Firmware(folder, bundle, record)


def _images(stem: str, elf: Path, board: Board) -> dict[str, bytes]:
    contents = {f"{stem}.elf": elf.read_bytes()}
    if board.core.runtime == "linux":  # a program, which is not flashed
        return contents
    image = read_elf(elf)
    contents[f"{stem}.hex"] = hex_image(image).encode("ascii")
    contents[f"{stem}.bin"] = binary_image(image)
    if board.uf2_family is not None:
        contents[f"{stem}.uf2"] = uf2_image(image, board.uf2_family)
    return contents


def _compile(
    sources: tuple[str, ...], board: Board, toolchain: Toolchain, folder: Path
) -> tuple[str, ...]:
    """The names of the objects of `sources`, all in `folder`."""
    environment = environment_in(toolchain, folder)
    objects = tuple(f"{Path(source).stem}.o" for source in sources)

    def compile_one(source: str, output: str) -> None:
        flags = compile_flags(toolchain, board.core, source)
        command = (*toolchain.command, *flags, "-I.", "-c", source, "-o", output)
        run_compiler(command, cwd=folder, environment=environment)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
    return objects


def _link(
    driver: Driver, shared: tuple[str, ...], board: Board, toolchain: Toolchain, folder: Path
) -> Path:
    """The ELF file of the model's objects and a driver, which is compiled first."""
    for name, text in driver.written:
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    objects = shared + _compile(copy_targets(driver.files, folder), board, toolchain, folder)
    elf = folder / f"{driver.image}.elf"
    try:
        _run_linker(objects, board, toolchain, elf)
    except CompilerFailed as error:
        larger = _with_enough_room(error, objects, board, toolchain, elf)
        raise overflow_error(board, larger, measure_size(read_elf(elf))) from None
    return elf


def _with_enough_room(
    error: CompilerFailed, objects: tuple[str, ...], board: Board, toolchain: Toolchain, elf: Path
) -> Board:
    """The board with as much memory as the firmware needs, for which it is linked then.

    Raises `error` where it is not about memory.
    """
    larger = with_room(board, error.output)
    if larger is None:
        raise error
    try:
        _run_linker(objects, larger, toolchain, elf)
    except CompilerFailed as again:  # a linker may name one memory at a time
        return _with_enough_room(again, objects, larger, toolchain, elf)
    return larger


def _run_linker(objects: tuple[str, ...], board: Board, toolchain: Toolchain, elf: Path) -> None:
    folder = elf.parent
    (folder / "link.ld").write_text(linker_script(board), encoding="utf-8", newline="\n")
    environment = environment_in(toolchain, folder)
    link = (*toolchain.command, *link_flags(toolchain, board.core, "link.ld"), *objects)
    for attempt in link_attempts(toolchain):
        try:
            run_compiler((*link, *attempt, "-o", elf.name), cwd=folder, environment=environment)
            return
        except CompilerFailed as error:
            if attempt != WITHOUT_RUNTIME or "undefined symbol" not in error.output:
                raise
