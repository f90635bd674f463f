"""What every test shares: tool requirements, seeds, golden files."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# Rollouts are many small products: threads that spin between them stall each other, most of all
# where several tests run at once. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

GOLDEN = Path(__file__).parent / "golden"
SEED = 20261123

TOOLS: dict[str, tuple[Callable[[], bool], str]] = {
    "arm": (lambda: shutil.which("arm-none-eabi-gcc") is not None, "apt: gcc-arm-none-eabi"),
    "qemu": (lambda: shutil.which("qemu-system-arm") is not None, "apt: qemu-system-arm"),
    "riscv": (
        lambda: all(map(shutil.which, ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"))),
        "apt: gcc-riscv64-unknown-elf qemu-system-misc",
    ),
    "cortex_a": (
        lambda: (
            all(map(shutil.which, ("aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc")))
            and all(map(shutil.which, ("qemu-aarch64", "qemu-arm")))
        ),
        "apt: gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf qemu-user",
    ),
    "zig": (lambda: importlib.util.find_spec("ziglang") is not None, "pip: ziglang"),
    "unicorn": (lambda: importlib.util.find_spec("unicorn") is not None, "pip: unicorn"),
    "onnx": (
        lambda: all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))),
        "pip: tqs-edge[onnx] onnxscript",
    ),
    "cxx": (lambda: shutil.which("g++") is not None, "apt: g++"),
    "cmake": (lambda: shutil.which("cmake") is not None, "apt: cmake"),
    "cppcheck": (lambda: shutil.which("cppcheck") is not None, "apt: cppcheck"),
    "clang_tidy": (lambda: shutil.which("clang-tidy") is not None, "apt: clang-tidy"),
    "package_tools": (
        lambda: all(
            map(importlib.util.find_spec, ("platformio", "idf_component_manager", "kconfiglib"))
        ),
        "pip: tqs-edge[package-tools]",
    ),
    "chromium": (lambda: shutil.which("chromium") is not None, "apt: chromium"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")
    parser.addoption("--slow", action="store_true", help="the long sweeps too, as CI does")


def pytest_report_header() -> str:
    missing = [name for name, (present, _) in TOOLS.items() if not present()]
    return f"seed {SEED}; tools missing: {', '.join(missing) or 'none'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out slow tests unless --slow is given, and skips tests whose tool is missing; a tool
    named in TQS_REQUIRE must be there."""
    if not config.getoption("--slow"):
        slow = [item for item in items if "slow" in item.keywords]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]
    required = {name for name in os.environ.get("TQS_REQUIRE", "").split(",") if name}
    unknown = required - TOOLS.keys()
    if unknown:
        raise pytest.UsageError(f"TQS_REQUIRE names unknown tools: {', '.join(sorted(unknown))}")
    for name, (present, where) in TOOLS.items():
        if present():
            continue
        if name in required:
            raise pytest.UsageError(f"TQS_REQUIRE asks for {name}, which is missing ({where})")
        for item in items:
            if name in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{name} is missing ({where})"))


@pytest.fixture(autouse=True)
def seeds() -> None:
    random.seed(SEED)
    np.random.seed(SEED)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text): text must equal tests/golden/<name>; --update-golden writes it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        assert path.exists(), f"no golden file {name}; run pytest --update-golden"
        assert text == path.read_text(), f"{name} differs; if that is meant: pytest --update-golden"

    return check
