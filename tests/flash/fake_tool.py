#!/usr/bin/env python3
"""Stands for st-flash, dfu-util, openocd, probe-rs and picotool: a part whose flash is a file.

Usage: its name is the tool's, FAKE_PART the file, FAKE_FAULT "flip", "fail" or "hang".
"""

import os
import sys
import time
from pathlib import Path

from intelhex import IntelHex

PART = Path(os.environ["FAKE_PART"])
FAULT = os.environ.get("FAKE_FAULT", "")
TOOL, WORDS = Path(sys.argv[0]).name, sys.argv[1:]


def write(content: bytes) -> None:
    if FAULT == "flip":
        content = bytes([content[0] ^ 1]) + content[1:]
    PART.write_bytes(content)


def main() -> None:
    with PART.with_suffix(".log").open("a") as log:
        print(TOOL, *WORDS, file=log)
    if FAULT == "hang":
        time.sleep(60)
    if FAULT == "fail":
        sys.exit("Info: looking\nError: init failed, no device\nbye")
    if TOOL == "st-flash" and "write" in WORDS:
        write(IntelHex(WORDS[-1]).tobinstr())
    elif TOOL == "st-flash" and "read" in WORDS:
        Path(WORDS[-3]).write_bytes(PART.read_bytes()[: int(WORDS[-1], 0)])
    elif TOOL == "dfu-util" and "-D" in WORDS:
        write(Path(WORDS[-1]).read_bytes())
    elif TOOL == "dfu-util" and "-U" in WORDS:
        Path(WORDS[-1]).write_bytes(PART.read_bytes())


main()
