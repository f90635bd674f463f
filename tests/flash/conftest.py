"""Firmware to flash, and a command line whose only probes are simulated ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from pyocd.core.helpers import ConnectHelper

from tests.cli.conftest import cli as cli
from tests.firmware.toy_models import toy_bundle
from tests.flash.sim_probe import SimProbe
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import Firmware, build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.flash.image_file import read_hex
from tqs_edge.flash.job import FlashJob

Connected = Callable[..., None]


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    """The toy model for an nRF52 DK, talking through RTT; two pages of flash."""
    board = dataclasses.replace(load_board("nrf52dk"), console="rtt")
    bundle = toy_bundle(exog=2, weights=2000)
    return build(bundle, board, find_toolchain(), tmp_path_factory.mktemp("nrf52"))


@pytest.fixture
def job(firmware: Firmware) -> FlashJob:
    images = firmware.board_images
    return FlashJob(firmware.board, images, read_hex(images["hex"]))


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Connected:
    """connected(probe, ...): what pyOCD finds from now on; everything else of it is unmodified."""

    def set_probes(*probes: SimProbe) -> None:
        def found(**options: object) -> list[SimProbe]:
            assert options["blocking"] is False, "never wait for a probe"
            return list(probes)

        monkeypatch.setattr(ConnectHelper, "get_all_connected_probes", found)

    return set_probes
