from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.firmware.toy_models import toy_bundle
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import BuildError, InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build, load_firmware
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.sources import kernel_file
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.resources import resource_dir

COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]
FILES = ("firmware.elf", "firmware.hex", "firmware.bin", "firmware.json")
WEIGHTS = 1000


def all_kernels(bundle: SourceBundle) -> SourceBundle:
    kernels = tuple(path.name for path in resource_dir("kernels").glob("tqs_*.c"))
    return dataclasses.replace(bundle, kernels=kernels)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["microbit", "mps2-an386"])
def test_the_same_input_gives_the_same_bytes(name: str, compiler: str, tmp_path: Path) -> None:
    board, toolchain = load_board(name), find_toolchain(compiler)
    for folder in ("a", "somewhere/else/b"):
        build(toy_bundle(), board, toolchain, tmp_path / folder)
    device = tuple(f.replace("firmware", "device") for f in FILES[:3])
    files = FILES + (device if board.console != "none" else ())
    for file in files:
        again = (tmp_path / "somewhere/else/b" / file).read_bytes()
        assert (tmp_path / "a" / file).read_bytes() == again, file
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(files)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", ["microbit", "mps2-an386"])
def test_every_kernel_links_and_the_unused_ones_are_dropped(
    name: str, compiler: str, tmp_path: Path
) -> None:
    board, toolchain = load_board(name), find_toolchain(compiler)
    with_kernels = build(all_kernels(toy_bundle()), board, toolchain, tmp_path / "all")
    without = build(toy_bundle(), board, toolchain, tmp_path / "none")
    assert with_kernels.size.flash_bytes == without.size.flash_bytes


@pytest.mark.parametrize("compiler", COMPILERS)
def test_sizes_add_up_and_weights_are_told_apart(compiler: str, tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    firmware = build(
        toy_bundle(weights=WEIGHTS, arena=100), board, find_toolchain(compiler), tmp_path
    )
    size = firmware.size
    assert size.weight_bytes == 2 * WEIGHTS
    assert 0 < size.code_bytes < 400
    parts = size.driver_bytes + size.code_bytes + size.weight_bytes + size.data_bytes
    assert size.flash_bytes == parts == firmware.bin.stat().st_size
    assert size.ram_bytes == size.data_bytes + size.bss_bytes + board.stack_bytes
    assert size.bss_bytes >= 100
    assert size.symbols["tqs_model_weights"] == 2 * WEIGHTS
    assert 0 < size.symbols["tqs_model_step"] <= size.code_bytes


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_heap_float_or_stdio_is_linked(compiler: str, tmp_path: Path) -> None:
    firmware = build(toy_bundle(), load_board("microbit"), find_toolchain(compiler), tmp_path)
    names = {symbol.name for symbol in read_elf(firmware.elf).symbols}
    assert not {name for name in names if name.startswith(("__aeabi_f", "__aeabi_d2", "_printf"))}
    assert not names & {"malloc", "free", "printf", "abort"}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        (toy_bundle(weights=100_000), r"^the firmware needs \d{5} bytes more FLASH than the 131072 "
         r"bytes of stm32vldiscovery; take a board that holds it \(mps2-an385, arduino-zero, "
         r"microbit\), or compile with --flash 12\dK, which is left for the model$"),
        (toy_bundle(arena=20_000), r"^the firmware needs \d{5} bytes more RAM than the 8192 "
         r"bytes of stm32vldiscovery; take a board that holds it \(mps2-an385, arduino-zero, .*"
         r"shorten the model's window or state$"),
        (toy_bundle(arena=20_000_000), "; no board holds it, or shorten the model's window"),
    ],
    ids=["flash", "ram", "anywhere"],
)  # fmt: skip
def test_a_model_too_large_says_by_how_much(
    bundle: SourceBundle, text: str, compiler: str, tmp_path: Path
) -> None:
    board = load_board("stm32vldiscovery")
    with pytest.raises(BuildError, match=text):
        build(bundle, board, find_toolchain(compiler), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_warning_in_generated_code_is_an_error(compiler: str, tmp_path: Path) -> None:
    bundle = toy_bundle("    int8_t narrow = x[0];\n    y[0] = narrow;")
    with pytest.raises(BuildError, match=r"model\.c:\d+:\d+: error: .*\[-Werror"):
        build(bundle, load_board("mps2-an386"), find_toolchain(compiler), tmp_path)


def test_a_missing_kernel_file_is_named() -> None:
    with pytest.raises(BuildError, match=r"no file 'tqs_nothing\.c'"):
        kernel_file("tqs_nothing.c", "dsp")


def test_an_isa_folder_is_preferred_where_it_has_the_file() -> None:
    kernels = resource_dir("kernels")
    assert kernel_file("tqs_dense_a16w4.c", "dsp") == kernels / "dsp" / "tqs_dense_a16w4.c"
    assert kernel_file("tqs_dense_a16w4.c", "v7m") == kernels / "v7m" / "tqs_dense_a16w4.c"
    assert kernel_file("tqs_dense_a16w4.c", "portable") == kernels / "tqs_dense_a16w4.c"
    assert kernel_file("tqs_push_rows_s16.c", "mve") == kernels / "tqs_push_rows_s16.c"


@pytest.mark.arm
def test_a_firmware_can_be_loaded_again(tmp_path: Path) -> None:
    built = build(toy_bundle(), load_board("mps2-an386"), find_toolchain("gcc"), tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    loaded = load_firmware(tmp_path / "b", toy_bundle())
    assert loaded.record == built.record
    other = dataclasses.replace(toy_bundle(), model_hash="other")
    with pytest.raises(InputError, match="firmware of another model"):
        load_firmware(tmp_path / "b", other)
    loaded.elf.write_bytes(loaded.elf.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"firmware\.elf' is missing or was changed"):
        load_firmware(tmp_path / "b", toy_bundle())
