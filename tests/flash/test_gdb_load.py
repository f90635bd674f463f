"""What a debugger does: the image into an empty machine through gdb, compared by section."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.device.qemu_board import free_port, open_serial
from tests.firmware.toy_models import recurrent_twin, toy_bundle
from tqs_edge.device.runner import run_board
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain

GDB = "gdb-multiarch"
pytestmark = [
    pytest.mark.arm,
    pytest.mark.qemu,
    pytest.mark.skipif(shutil.which(GDB) is None, reason=f"{GDB} is missing (apt: {GDB})"),
]
START = (
    "set $sp = *(unsigned *)&vector_table",
    "set $pc = *((unsigned *)&vector_table + 1) & ~1",
    "set $xpsr = 0x01000000",
)


def gdb(elf: Path, port: int, *commands: str) -> str:
    """What gdb says to `commands` about the machine that waits at `port`."""
    words = [GDB, "-batch", "-nx", "-ex", f"target remote 127.0.0.1:{port}"]
    for command in commands:
        words += ["-ex", command]
    done = subprocess.run([*words, str(elf)], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("name", "before"), [("mps2-an386", 0), ("netduinoplus2", 5)])
def test_the_image_loads_compares_and_runs(name: str, before: int, tmp_path: Path) -> None:
    """before: how many of the machine's ports come before the board's."""
    board = dataclasses.replace(load_board(name), console="uart")
    firmware = build(toy_bundle(), board, find_toolchain(), tmp_path)
    elf, stub, serial = firmware.board_images["elf"], free_port(), free_port()
    chardev = f"tcp:127.0.0.1:{serial},server=on,wait=off,nodelay=on"
    machine = subprocess.Popen(
        [
            *("qemu-system-arm", "-M", str(board.qemu_machine), "-nodefaults", "-display", "none"),
            *("-monitor", "none", *("-serial", "null") * before, "-serial", chardev),
            *("-S", "-gdb", f"tcp:127.0.0.1:{stub}"),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(stub)
        said = gdb(elf, stub, "compare-sections", "load", "compare-sections", *START, "detach")
        empty, loaded = said.split("Loading section", 1)
        assert "MIS-MATCHED" in empty, empty
        assert loaded.count("matched.") >= 4 and "MIS-MATCHED" not in loaded, loaded
        contexts = np.random.default_rng(0).integers(-999, 999, (2, 3, 2)).astype(np.int16)
        time.sleep(0.3)  # QEMU forgets bytes that come before the UART is on
        url = f"socket://127.0.0.1:{serial}"
        log = run_board(firmware, contexts, 9, lambda: open_serial(url))
    finally:
        machine.kill()
        machine.wait()
    np.testing.assert_array_equal(log.frames, recurrent_twin(contexts, 9, None))


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
