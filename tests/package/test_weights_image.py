"""Weights images: what init takes, what it refuses, and what an exchange of weights does."""

from __future__ import annotations

import ctypes
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import CPackage
from tests.passes.small_models import Case, gru, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.elf import read_elf
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.integer.program import DenseOp, IntegerProgram
from tqs_edge.passes.lower import lower, lower_program
from tqs_edge.verify.reference import run_reference

OK, BAD_ARGUMENT, NO_WEIGHTS, OTHER_MODEL, CORRUPT, UNSIGNED = 0, 2, 3, 4, 5, 6
HORIZON = 12
HEADER_BITS, CRC_BITS = 28 * 8, 32


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(gru())


@pytest.fixture(scope="module")
def bundle(case: Case) -> SourceBundle:
    return emit(lower(case.module, case.program), case.program, case.model, "0123abcd")


@pytest.fixture(scope="module")
def package(case: Case, bundle: SourceBundle, tmp_path_factory: pytest.TempPathFactory) -> CPackage:
    return CPackage(bundle, case.model, tmp_path_factory.mktemp("image"))


def aligned(image: bytes, offset: int = 0) -> np.ndarray:
    """The image as uint8 at a multiple of 8, plus `offset`."""
    words = np.zeros(len(image) // 8 + 2, np.uint64).view(np.uint8)
    words[offset : offset + len(image)] = np.frombuffer(image, np.uint8)
    return words[offset : offset + len(image)]


def retrained(case: Case, seed: int) -> IntegerProgram:
    """The same operations with other weights, biases and multipliers."""
    rng = np.random.default_rng(seed)

    def other(op):
        if not isinstance(op, DenseOp):
            return op
        blocks = tuple(
            replace(
                b,
                weights=rng.permutation(b.weights),
                multiplier=(b.multiplier * 0.9).astype(b.multiplier.dtype),
            )
            for b in op.blocks
        )
        return replace(op, blocks=blocks)

    return replace(case.program, ops=tuple(map(other, case.program.ops)))


def test_the_file_is_the_image_of_the_sources(bundle: SourceBundle, package: CPackage) -> None:
    image = bytes.fromhex(bundle.image)
    magic, form, size, *_ = struct.unpack("<8I", image[:32])
    assert struct.pack("<I", magic) == b"TQSW" and form == 1 and size == len(image)
    assert zlib.crc32(image[32:], zlib.crc32(image[:28])) == struct.unpack("<I", image[28:32])[0]
    linked = (ctypes.c_uint8 * size).in_dll(package.library, "tqs_model_weights")
    assert bytes(linked) == image


def test_any_flipped_bit_is_refused(bundle: SourceBundle, package: CPackage) -> None:
    image = aligned(bytes.fromhex(bundle.image))
    x = y = np.zeros(4, np.int16)
    for bit in range(8 * len(image)):
        image[bit // 8] ^= 1 << bit % 8
        status = package.init(image)
        expected = {True: NO_WEIGHTS, False: CORRUPT}[bit < 64]
        assert status == (OTHER_MODEL if 64 <= bit < HEADER_BITS else expected), bit
        if bit % 97 == 0:  # never executed
            assert package.call("tqs_model_step", package.instance, x, None, y) == 1
        image[bit // 8] ^= 1 << bit % 8
    assert package.init(image) == OK


def test_exchanged_weights_run_as_if_compiled_in(
    case: Case, bundle: SourceBundle, package: CPackage
) -> None:
    for seed in (1, 2):
        program = retrained(case, seed)
        other = emit(lower_program(program), program, case.model, f"model{seed}")
        assert other.program_id == bundle.program_id and other.image != bundle.image
        assert (
            other.files["model.c"].partition("\n")[2] == bundle.files["model.c"].partition("\n")[2]
        )
        image = aligned(bytes.fromhex(other.image))
        assert package.init(image) == OK
        want = run_reference(program, case.model, case.contexts, HORIZON).frames
        for context, frames in zip(case.contexts, want, strict=True):
            np.testing.assert_array_equal(package.rollout(context, HORIZON), frames)
    assert package.init() == OK
    own = run_reference(case.program, case.model, case.contexts, HORIZON).frames
    np.testing.assert_array_equal(package.rollout(case.contexts[0], HORIZON), own[0])


def test_an_image_of_another_program_is_refused(case: Case, package: CPackage) -> None:
    for other in (make_case(gru(), widths=(4,)), make_case(gru(), act_bits=8)):
        image = emit(lower_program(other.program), other.program, other.model, "x").image
        assert package.init(aligned(bytes.fromhex(image))) == OTHER_MODEL
    scaled = {n: replace(t, scale=t.scale * 2) for n, t in case.program.tensors.items()}
    program = replace(case.program, tensors=scaled)  # the same code, other units
    image = emit(lower_program(program), program, case.model, "x").image
    assert package.init(aligned(bytes.fromhex(image))) == OTHER_MODEL


def test_armv6m_has_8_bit_weights_as_offset_binary(
    case: Case, bundle: SourceBundle, package: CPackage
) -> None:
    usual, other = bundle.image_for("dsp"), bundle.image_for("v6m")
    assert struct.unpack_from("<I", other, 4) == (2,) and usual[8:28] == other[8:28]
    assert zlib.crc32(other[32:], zlib.crc32(other[:28])) == struct.unpack("<I", other[28:32])[0]
    flipped = np.frombuffer(usual[32:], np.uint8) ^ np.frombuffer(other[32:], np.uint8)
    blocks = [b for op in case.program.ops if isinstance(op, DenseOp) for b in op.blocks]
    wide = [b.weights for b in blocks if b.weight_bits == 8]
    words = sum(len(w) * -(-w.shape[1] // 4) for w in wide)
    assert 0 < len(wide) < len(blocks)
    assert sorted(flipped) == [0] * (flipped.size - 4 * words) + [0x80] * 4 * words
    assert package.init(aligned(other)) == NO_WEIGHTS
    narrow = make_case(gru(), widths=(4,))
    images = emit(lower_program(narrow.program), narrow.program, narrow.model, "x")
    assert images.image_v6m == images.image


@pytest.mark.arm
@pytest.mark.parametrize("board", ["microbit", "mps2-an385"])
def test_firmware_holds_the_image_of_its_core(
    board: str, bundle: SourceBundle, tmp_path: Path
) -> None:
    build(bundle, load_board(board), find_toolchain("gcc"), tmp_path)
    elf = read_elf(tmp_path / "firmware.elf")
    image = bundle.image_for(load_board(board).core.isa)
    assert image == bytes.fromhex(bundle.image_v6m if board == "microbit" else bundle.image)
    at = elf.address_of("tqs_model_weights")
    held = next(s for s in elf.segments if 0 <= at - s.address < len(s.content))
    assert held.content[at - held.address :][: len(image)] == image


def test_bad_arguments_are_refused(bundle: SourceBundle, package: CPackage) -> None:
    image = bytes.fromhex(bundle.image)
    assert package.init(aligned(image, offset=4)) == BAD_ARGUMENT
    assert package.call("tqs_model_init", package.instance, None, aligned(image)) == BAD_ARGUMENT
    assert package.call("tqs_model_init", package.instance, package.arena, None) == BAD_ARGUMENT
    assert package.call("tqs_model_init", None, package.arena, aligned(image)) == BAD_ARGUMENT


@pytest.mark.parametrize("answer, status", [(1, OK), (0, UNSIGNED), (-1, UNSIGNED), (2, UNSIGNED)])
def test_the_verifier_has_the_last_word(
    answer: int, status: int, bundle: SourceBundle, package: CPackage
) -> None:
    image, asked = aligned(bytes.fromhex(bundle.image)), []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)

    @kind
    def verify(address: int, size: int, user: int) -> int:
        asked.append((address, size, user))
        return answer

    pointers = [package.pointer(a) for a in (package.instance, package.arena, image)]
    init = package.library.tqs_model_init_verified
    assert init(*pointers, verify, ctypes.c_void_p(77)) == status
    assert asked == [(image.ctypes.data, len(image), 77)]
    image[40] ^= 1  # damaged: nobody is asked
    assert init(*pointers, verify, None) == CORRUPT and len(asked) == 1
