"""What every test shares: what runs without --slow, tool requirements, seeds, golden files.

Without --slow, tests marked slow are left out, and in the files of SWEEPS all cases of a test but
the first; every package keeps a short test of what it does. That takes five minutes of one core.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# Rollouts are many small products: threads that spin between them stall each other, most of all
# where several tests run at once. Read when torch is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tracing and compiling make many objects and little garbage: collected at every 700th, as is usual,
# it takes an eighth of the time.
gc.set_threshold(20_000, 10, 10)

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

# Here tests have many slow cases: without --slow, the first case of each test runs.
SWEEPS = (
    "backends/test_same_scores.py",
    "backends/test_torch_backend.py",
    "backends/test_tvm_backend.py",
    "bench/test_kernels.py",
    "codegen",
    "device/test_qemu_serial.py",
    "device/test_uart_drivers.py",
    "firmware/test_boot.py",
    "firmware/test_build.py",
    "firmware/test_formats.py",
    "firmware/test_stack_bound.py",
    "flash/test_links.py",
    "frontend/aten",
    "frontend/onnx",
    "frontend/test_batched_rollouts.py",
    "graph/test_merged_dense.py",
    "integer",
    "kernels",
    "package",
    "passes",
    "pipeline",
    "plan/test_pareto.py",
    "plan/test_planner.py",
    "run/test_nonlinear_on_cores.py",
    "run/test_runner.py",
    "run/test_window_models.py",
    "zoo",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")
    parser.addoption("--slow", action="store_true", help="slow tests and all cases too, as CI does")


def pytest_configure(config: pytest.Config) -> None:
    """A property that names no number of examples takes fewer without --slow; a busy machine is no
    failure."""
    examples = 100 if config.getoption("--slow") else 20
    hypothesis.settings.register_profile("here", deadline=None, max_examples=examples)
    hypothesis.settings.load_profile("here")


def pytest_report_header() -> str:
    missing = [name for name, (present, _) in TOOLS.items() if not present()]
    return f"seed {SEED}; tools missing: {', '.join(missing) or 'none'}"


def _quick(items: list[pytest.Item]) -> set[pytest.Item]:
    """What runs without --slow."""
    first: dict[str, pytest.Item] = {}
    for item in items:
        swept = any(item.path.is_relative_to(Path(__file__).parent / place) for place in SWEEPS)
        if "slow" not in item.keywords:
            first.setdefault(item.nodeid.split("[")[0] if swept else item.nodeid, item)
    return set(first.values())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out slow tests and cases unless --slow is given, and skips tests without their tool; a
    tool named in TQS_REQUIRE must be there."""
    if not config.getoption("--slow"):
        quick = _quick(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in quick])
        items[:] = [item for item in items if item in quick]
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


def pytest_collection_finish() -> None:
    """No garbage collection need visit what Torch and TVM made of themselves until now."""
    gc.collect()
    gc.freeze()


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
