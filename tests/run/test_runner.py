"""The same model on every board, compiled by both compilers, in every runner: same frames."""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.toy_models import (
    ENDLESS_BODY,
    FAULT_BODY,
    LONG_BODY,
    OVERFLOW_BODY,
    recurrent_twin,
    toy_bundle,
    windowed_bundle,
    windowed_twin,
)
from tqs_edge.errors import InputError, RunnerError, ToolMissing
from tqs_edge.firmware.board import board_names, load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.verification import CORE_BOARDS, OTHER_BOARDS
from tqs_edge.run.runner import run

COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]
SIMULATORS = [
    pytest.param("qemu", marks=pytest.mark.qemu),
    pytest.param("unicorn", marks=pytest.mark.unicorn),
]
CONTEXTS = np.random.default_rng(5).integers(-3000, 3000, (3, 7, 2)).astype(np.int16)
HORIZON = 30


@pytest.fixture(scope="module")
def firmware_of(tmp_path_factory: pytest.TempPathFactory):
    """firmware_of(name, board, compiler): builds each firmware once."""
    bundles = {
        "recurrent": toy_bundle(exog=3),
        "windowed": windowed_bundle(),
        "fault": toy_bundle(FAULT_BODY),
        "endless": toy_bundle(ENDLESS_BODY),
        "long": toy_bundle(LONG_BODY),
        "overflow": toy_bundle(OVERFLOW_BODY),
    }

    @functools.cache
    def cached(name: str, board: str, compiler: str) -> Firmware:
        folder = tmp_path_factory.mktemp(name)
        target = load_board(board)
        return build(bundles[name], target, find_toolchain(compiler, target.core), folder)

    return cached


def exog_for(contexts: np.ndarray, horizon: int) -> np.ndarray:
    calls = contexts.shape[1] + horizon - 1
    values = np.random.default_rng(6).integers(-3000, 3000, (len(contexts), calls, 3))
    return values.astype(np.int16)


def boards_and_compilers() -> list[object]:
    """Both compilers for one board of each core, one of them in turn for the other boards."""
    tools = {"cortex_m": (pytest.mark.qemu, pytest.mark.unicorn), "riscv": (pytest.mark.riscv,)}
    pairs = []
    for index, board in enumerate(board_names()):
        both = board in (*CORE_BOARDS, *OTHER_BOARDS)
        marks = tools.get(load_board(board).core.runtime, (pytest.mark.cortex_a,))
        for compiler in COMPILERS if both else COMPILERS[index % 2 :][:1]:
            pairs.append(pytest.param(board, *compiler.values, marks=(*marks, *compiler.marks)))
    return pairs


@pytest.mark.parametrize(("board", "compiler"), boards_and_compilers())
def test_recurrent_frames_and_counts_agree_on_every_board(
    board: str, compiler: str, firmware_of
) -> None:
    firmware = firmware_of("recurrent", board, compiler)
    exog = exog_for(CONTEXTS, HORIZON)
    expected = recurrent_twin(CONTEXTS, HORIZON, exog)
    logs = [
        run(firmware, CONTEXTS, HORIZON, exog=exog, runner=runner)
        for runner in firmware.board.simulators
    ]
    for log, runner in zip(logs, firmware.board.simulators, strict=True):
        np.testing.assert_array_equal(log.frames, expected)
        assert (log.runner, log.board) == (runner, board)
        assert log.stack_bytes is not None and 64 <= log.stack_bytes <= 400
        assert log.instructions_per_step is not None and 20 < log.instructions_per_step < 1000
    assert len({log.stack_bytes for log in logs}) == 1
    assert len({log.instructions_per_step for log in logs}) == 1
    assert all(log.instructions_by_function == logs[0].instructions_by_function for log in logs)


@pytest.mark.arm
@pytest.mark.qemu
def test_a_machine_with_less_ram_than_the_board_says_so(tmp_path: Path) -> None:
    board = load_board("alif-e7-devkit")
    bundle, toolchain = toy_bundle(arena=600_000), find_toolchain("gcc", board.core)
    firmware = build(bundle, board, toolchain, tmp_path)
    with pytest.raises(RunnerError, match=r"needs 60\d+ bytes of RAM, of which .* has 524288"):
        run(firmware, CONTEXTS, 5, runner="qemu")


@pytest.mark.parametrize("name", ["mps2-an386", "mps2-an505", "mps3-an547"])
@pytest.mark.arm
@pytest.mark.qemu
def test_an_image_behind_a_boot_loader_starts(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    board = dataclasses.replace(board, flash_origin=board.flash_origin + 0x8000)
    firmware = build(windowed_bundle(), board, find_toolchain("gcc", board.core), tmp_path)
    log = run(firmware, CONTEXTS, 5, runner="qemu")
    np.testing.assert_array_equal(log.frames, windowed_twin(CONTEXTS, 5, 5, 3))


@pytest.mark.arm
@pytest.mark.parametrize(
    ("board", "runner", "other"),
    [
        ("mps3-an547", "unicorn", "qemu"),
        ("nucleo-h743zi", "qemu", "unicorn"),
        ("nucleo-h743zi", "qemu-user", "qemu"),
    ],
)
def test_a_simulator_that_lacks_the_board_names_another(
    board: str, runner: str, other: str, firmware_of
) -> None:
    with pytest.raises(ToolMissing, match=f"use the {other} runner"):
        run(firmware_of("windowed", board, "gcc"), CONTEXTS, 5, runner=runner)


@pytest.mark.parametrize("horizon", [1, 3, 10])
@pytest.mark.parametrize("runner", [*SIMULATORS, "host"])
@pytest.mark.arm
def test_windowed_frames_agree(runner: str, horizon: int, firmware_of) -> None:
    firmware = firmware_of("windowed", "mps2-an386", "gcc")
    log = run(firmware, CONTEXTS, horizon, runner=runner)
    np.testing.assert_array_equal(log.frames, windowed_twin(CONTEXTS, horizon, 5, 3))


@pytest.mark.arm
def test_host_frames_agree_and_nothing_is_counted(firmware_of) -> None:
    exog = exog_for(CONTEXTS, HORIZON)
    firmware = firmware_of("recurrent", "mps2-an386", "gcc")
    log = run(firmware, CONTEXTS, HORIZON, exog=exog, runner="host")
    np.testing.assert_array_equal(log.frames, recurrent_twin(CONTEXTS, HORIZON, exog))
    assert (log.instructions_per_step, log.stack_bytes) == (None, None)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("board", ["microbit", "mps2-an386", "mps2-an505"])
@pytest.mark.qemu
@pytest.mark.unicorn
def test_counts_agree_where_code_crosses_pages(board: str, compiler: str, firmware_of) -> None:
    firmware = firmware_of("long", board, compiler)
    logs = [run(firmware, CONTEXTS, 5, runner=runner) for runner in ("qemu", "unicorn")]
    np.testing.assert_array_equal(logs[0].frames, logs[1].frames)
    assert logs[0].instructions_per_step == logs[1].instructions_per_step
    assert logs[0].instructions_per_step > 800


@pytest.mark.parametrize("runner", SIMULATORS)
@pytest.mark.arm
def test_counting_can_be_turned_off(runner: str, firmware_of) -> None:
    firmware = firmware_of("windowed", "mps2-an386", "gcc")
    log = run(firmware, CONTEXTS, 5, runner=runner, count=0)
    assert log.instructions_per_step is None
    assert log.instructions_by_function is None


@pytest.mark.arm
@pytest.mark.unicorn
def test_helpers_are_counted_with_the_step(firmware_of) -> None:
    exog = exog_for(CONTEXTS, HORIZON)
    firmware = firmware_of("recurrent", "microbit", "gcc")
    log = run(firmware, CONTEXTS, HORIZON, exog=exog)
    counts = log.instructions_by_function
    assert counts is not None and set(counts) == {"tqs_model_step", "__divsi3"}
    assert sum(counts.values()) == pytest.approx(log.instructions_per_step)


@pytest.mark.parametrize("runner", SIMULATORS)
@pytest.mark.parametrize("board", ["microbit", "mps2-an386", "mps2-an505"])
@pytest.mark.arm
def test_an_unmapped_access_names_the_function(board: str, runner: str, firmware_of) -> None:
    firmware = firmware_of("fault", board, "gcc")
    where = r"fault on the target: .*pc=0x[0-9a-f]{8}.* in tqs_model_step"
    with pytest.raises(RunnerError, match=where):
        run(firmware, CONTEXTS, 5, runner=runner)


@pytest.mark.parametrize(
    ("board", "runner", "text"),
    [
        pytest.param(
            *("qemu-riscv32-virt", "qemu", "pc=0x.* address=0xe0200000 in tqs_model_step"),
            marks=pytest.mark.riscv,
        ),
        pytest.param(
            *("raspberry-pi-4", "qemu-user", "segmentation fault"), marks=pytest.mark.cortex_a
        ),
        pytest.param(
            *("beaglebone-black", "qemu-user", "segmentation fault"), marks=pytest.mark.cortex_a
        ),
    ],
)
def test_a_bad_access_on_other_cores_is_a_fault(
    board: str, runner: str, text: str, firmware_of
) -> None:
    with pytest.raises(RunnerError, match=f"fault on the target: .*{text}"):
        run(firmware_of("fault", board, "gcc"), CONTEXTS, 5, runner=runner)


@pytest.mark.arm
@pytest.mark.qemu
@pytest.mark.unicorn
def test_both_simulators_blame_the_same_instruction(firmware_of) -> None:
    firmware = firmware_of("fault", "mps2-an386", "gcc")
    places = []
    for runner in ("qemu", "unicorn"):
        with pytest.raises(RunnerError) as caught:
            run(firmware, CONTEXTS, 5, runner=runner)
        text = str(caught.value)
        places.append(text[text.index("pc=") :][: len("pc=0x00000000")])
        assert "0xe0200000" in text
    assert places[0] == places[1]


@pytest.mark.parametrize("runner", SIMULATORS)
@pytest.mark.arm
def test_an_endless_loop_ends_at_the_timeout(runner: str, firmware_of) -> None:
    with pytest.raises(RunnerError, match=r"no end within 0\.5 s"):
        run(firmware_of("endless", "mps2-an386", "gcc"), CONTEXTS, 5, runner=runner, timeout=0.5)


@pytest.mark.parametrize("runner", SIMULATORS)
@pytest.mark.parametrize("board", ["microbit", "mps2-an386", "mps2-an505"])
@pytest.mark.arm
def test_a_stack_overflow_never_passes_for_a_result(board: str, runner: str, firmware_of) -> None:
    with pytest.raises(RunnerError, match=r"stack overflow|WRITE_UNMAPPED"):
        run(firmware_of("overflow", board, "gcc"), CONTEXTS, 5, runner=runner)


@pytest.mark.arm
@pytest.mark.qemu
def test_v6m_firmware_faults_on_unaligned_access_even_on_a_cortex_m3(tmp_path: Path) -> None:
    body = (
        "    (void)state; (void)arena; (void)exog;\n    y[0] = toy_weights[0];\n"
        "    *(volatile uint32_t *)(uintptr_t)((uintptr_t)x | 1u) = 1;"
    )
    board, toolchain = load_board("arduino-zero"), find_toolchain("gcc")
    firmware = build(toy_bundle(body), board, toolchain, tmp_path)
    with pytest.raises(RunnerError, match="fault on the target"):
        run(firmware, CONTEXTS, 5, runner="qemu")


@pytest.mark.arm
def test_bad_arguments_are_input_errors(firmware_of) -> None:
    firmware = firmware_of("windowed", "mps2-an386", "gcc")
    with pytest.raises(InputError, match="unknown runner 'fvp'; known: host, qemu, qemu-user, "):
        run(firmware, CONTEXTS, 5, runner="fvp")
    with pytest.raises(InputError, match=r"contexts must be int16 \[contexts, rows, 2\]"):
        run(firmware, CONTEXTS.astype(np.int32), 5)
    with pytest.raises(InputError, match="5 rows in it"):
        run(firmware, CONTEXTS[:, :4], 5)
    with pytest.raises(InputError, match="exogenous inputs must be int16"):
        run(firmware_of("recurrent", "mps2-an386", "gcc"), CONTEXTS, 5)


@pytest.mark.arm
def test_missing_qemu_says_what_to_install(
    firmware_of, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    firmware = firmware_of("windowed", "mps2-an386", "gcc")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="install qemu-system-arm"):
        run(firmware, CONTEXTS, 5, runner="qemu")


@pytest.mark.arm
def test_missing_unicorn_says_what_to_install(firmware_of, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = firmware_of("windowed", "mps2-an386", "gcc")
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(ToolMissing, match="pip install unicorn"):
        run(firmware, CONTEXTS, 5, runner="unicorn")
