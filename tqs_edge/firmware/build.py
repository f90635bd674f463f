"""SourceBundle + kernels + targets -> firmware files."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import BuildError
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.command import CompilerFailed, run_compiler
from tqs_edge.firmware.elf import ElfImage, read_elf
from tqs_edge.firmware.image import binary_image, hex_image
from tqs_edge.firmware.link_script import linker_script
from tqs_edge.firmware.size import FirmwareSize, measure_size
from tqs_edge.firmware.sources import copy_targets, write_sources
from tqs_edge.firmware.toolchain import (
    Toolchain,
    compile_flags,
    environment_in,
    link_flags,
    link_libraries,
)

TARGET_FILES = (
    *("common/main.c", "common/semihost.c", "common/mem.c", "cortex_m/startup.c"),
    *("common/semihost.h", "common/platform.h"),
)
OVERFLOW = re.compile(r"region [`'](\w+)'[: ]+overflowed by (\d+) bytes")
OVERFLOW_ADVICE = {
    "FLASH": "lower the flash budget of the plan, or choose a board with more flash",
    "RAM": "shorten the model's window or state, or choose a board with more RAM",
}


@dataclass(frozen=True)
class Firmware:
    """A built rollout firmware: files in one folder, and what is known of them.

    sha256: hex digest by file name ("firmware.elf", "firmware.hex", "firmware.bin")
    """

    bundle: SourceBundle
    board: Board
    elf: Path
    hex: Path
    bin: Path
    size: FirmwareSize
    compiler: str
    compiler_version: str
    sha256: Mapping[str, str]


def build(bundle: SourceBundle, board: Board, toolchain: Toolchain, out_dir: Path) -> Firmware:
    """The firmware of a model for a board, written to out_dir/firmware.{elf,hex,bin}.

    The same bundle, board and compiler version give the same bytes, wherever they are built.
    Raises BuildError when a file does not compile or the firmware does not fit the board.
    """
    with tempfile.TemporaryDirectory(prefix="tqs-build-") as name:
        elf = _compile_and_link(bundle, board, toolchain, Path(name))
        image = read_elf(elf)
        contents = {
            "firmware.elf": elf.read_bytes(),
            "firmware.hex": hex_image(image).encode("ascii"),
            "firmware.bin": binary_image(image),
        }
    out_dir.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        _write_whole(out_dir / name, content)
    return _describe(bundle, board, toolchain, out_dir, image, contents)


def _describe(
    bundle: SourceBundle,
    board: Board,
    toolchain: Toolchain,
    out_dir: Path,
    image: ElfImage,
    contents: Mapping[str, bytes],
) -> Firmware:
    return Firmware(
        bundle=bundle,
        board=board,
        elf=out_dir / "firmware.elf",
        hex=out_dir / "firmware.hex",
        bin=out_dir / "firmware.bin",
        size=measure_size(image),
        compiler=toolchain.name,
        compiler_version=toolchain.version,
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in contents.items()},
    )


def _compile_and_link(
    bundle: SourceBundle, board: Board, toolchain: Toolchain, folder: Path
) -> Path:
    sources = write_sources(bundle, board.core.isa, folder) + copy_targets(TARGET_FILES, folder)
    (folder / "link.ld").write_text(linker_script(board), encoding="utf-8", newline="\n")
    environment = environment_in(toolchain, folder)
    flags = (*toolchain.command, *compile_flags(toolchain, board.core), "-I.")
    objects = tuple(f"{Path(source).stem}.o" for source in sources)

    def compile_one(source: str, output: str) -> None:
        run_compiler(
            (*flags, "-c", source, "-o", output), cwd=folder, environment=environment
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, objects))
    link = (*toolchain.command, *link_flags(toolchain, board.core, "link.ld"), *objects)
    command = (*link, *link_libraries(toolchain), "-o", "firmware.elf")
    try:
        run_compiler(command, cwd=folder, environment=environment)
    except CompilerFailed as error:
        raise _overflow_error(error, board) or error from None
    return folder / "firmware.elf"


def _overflow_error(error: CompilerFailed, board: Board) -> BuildError | None:
    """What the linker says about full memories as one clear line, None when it is about others."""
    worst: dict[str, int] = {}
    for region, missing in OVERFLOW.findall(error.output):
        worst[region] = max(worst.get(region, 0), int(missing))
    if not worst:
        return None
    region, missing = max(worst.items(), key=lambda item: item[1])
    limit = board.flash_bytes if region == "FLASH" else board.ram_bytes
    advice = OVERFLOW_ADVICE.get(region, "choose a larger board")
    return BuildError(
        f"the firmware needs {missing} bytes more {region} than the {limit} bytes "
        f"of {board.name}; {advice}"
    )


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_bytes(content)
    temporary.replace(path)
