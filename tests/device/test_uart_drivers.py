"""Drivers of ports that QEMU does not model, in the images of real boards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.device.uarte_model import Uarte
from tests.device.unicorn_board import Peripheral, PolledUart, Registers, UnicornBoard
from tests.firmware.toy_models import recurrent_twin, toy_bundle
from tqs_edge.device.runner import run_board
from tqs_edge.errors import BuildError, InputError
from tqs_edge.firmware.board import Board, Uart, load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.drivers import drivers_of, uart_facts
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.run.run_log import RunLog

pytestmark = [pytest.mark.arm, pytest.mark.unicorn]
ORE, RXNE, TXE = 1 << 3, 1 << 5, 1 << 7
# RM0351, USART: BRR = clock / baud; CR1 = UE, RE, TE; ISR, RDR, TDR.
STM32 = Registers(0x1C, RXNE, 0, TXE, 0x24, 0x28, ((0x0C, 35), (0x00, 0b1101)))
# DDI 0183: 12 MHz / 16 / 115200 = 6 + 33/64; 8 bits with FIFO; on, both directions. FR, DR.
PL011 = Registers(
    0x18, 0, 1 << 4, 0, 0x00, 0x00, ((0x24, 6), (0x28, 33), (0x2C, 0x70), (0x30, 0x301))
)
PICO_UART = Uart("UART0", "pl011", 0x40034000, 12_000_000)
# 100 MHz / 115200 = 16 * 54 + 4: DLL, DLH, DLF; 8 bits with FIFO. LSR, RBR and THR.
DW = Registers(
    0x14, 1, 0, 1 << 5, 0x00, 0x00, ((0x00, 54), (0x04, 0), (0xC0, 4), (0x0C, 3), (0x08, 7))
)
# In an image for another core: Unicorn has no Cortex-M55.
ALIF_UART = Uart("UART4", "dw", 0x4901C000, 100_000_000)


PINS = {"nrf52dk": (6, 8), "nrf52840-dk": (6, 8), "microbit-v2": (6, 40)}
PINS["arduino-nano-33-ble"] = (35, 42)


def rollouts_of(board: Board, peripheral: Peripheral, folder: Path) -> RunLog:
    """The toy model's rollouts through a modelled port, compared with its twin."""
    firmware = build(toy_bundle(exog=2), board, find_toolchain(), folder)
    port = UnicornBoard(board, firmware.board_images["elf"], peripheral)
    rng = np.random.default_rng(2)
    contexts = rng.integers(-3000, 3000, (2, 4, 2)).astype(np.int16)
    exog = rng.integers(-99, 99, (2, 33, 2)).astype(np.int16)
    log = run_board(firmware, contexts, 30, lambda: port, exog=exog, patience=30)
    np.testing.assert_array_equal(log.frames, recurrent_twin(contexts, 30, exog))
    assert peripheral.ready and peripheral.violations == []
    return log


@pytest.mark.parametrize(
    ("name", "registers", "uart"),
    [
        ("nucleo-l476rg", STM32, None),
        ("raspberry-pi-pico", PL011, PICO_UART),
        ("nucleo-l476rg", DW, ALIF_UART),
    ],
)
def test_the_driver_sets_its_port_up_and_is_bit_exact(
    name: str, registers: Registers, uart: Uart | None, tmp_path: Path
) -> None:
    board = load_board(name)
    board = dataclasses.replace(board, console="uart", uart=uart or board.uart)
    port = PolledUart(registers)
    log = rollouts_of(board, port, tmp_path)
    assert "not available" in log.remarks[0]
    if registers is DW:  # the divider is behind an access bit that data has to be without
        assert list(port.written) == [0x0C, 0x00, 0x04, 0xC0, 0x08]


@pytest.mark.parametrize("name", PINS)
def test_a_uarte_moves_whole_packets_out_of_ram_and_single_bytes_into_it(
    name: str, tmp_path: Path
) -> None:
    board = dataclasses.replace(load_board(name), console="uart")
    rollouts_of(board, Uarte(board, PINS[name]), tmp_path)


def test_a_baud_rate_that_a_uarte_does_not_have_is_a_build_error(tmp_path: Path) -> None:
    board = load_board("nrf52840-dk")
    assert board.uart is not None
    odd = dataclasses.replace(board, uart=dataclasses.replace(board.uart, baud=31250))
    with pytest.raises(BuildError, match="baud of a UARTE: 9600, 57600, 115200"):
        build(toy_bundle(), odd, find_toolchain(), tmp_path)


def test_the_facts_of_a_port_are_macros() -> None:
    uart = Uart("USART2", "stm32", 0x40004400, 16_000_000, setup=((0x40021058, 0x20000, 0x20000),))
    assert uart_facts(uart) == (
        "#define TQS_UART_BASE 0x40004400u /* USART2 */\n"
        "#define TQS_UART_CLOCK_HZ 16000000u\n"
        "#define TQS_UART_BAUD 115200u\n"
        "#define TQS_UART_SETUP {0x40021058u, 0x20000u, 0x20000u}, \n"
    )


def test_a_console_without_a_port_is_an_input_error() -> None:
    board = dataclasses.replace(load_board("raspberry-pi-pico"), console="uart", uart=None)
    with pytest.raises(InputError, match=r"has console = .uart. but no \[uart\] table"):
        drivers_of(board)
    other = dataclasses.replace(load_board("qemu-riscv32-virt"), console="rtt")
    with pytest.raises(InputError, match="the link needs a Cortex-M"):
        drivers_of(other)
