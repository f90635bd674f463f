"""The package under the build systems of ESP-IDF, Zephyr and Arduino: stand-ins for them in
frameworks/ call the package's files as these do, for this computer. What a framework offers is
printed; every example then prints the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.codegen.c_package import run
from tests.package.conftest import Written

FRAMEWORKS = Path(__file__).parent / "frameworks"
STEPS = 40
pytestmark = [pytest.mark.slow, pytest.mark.cmake, pytest.mark.cxx]
Packages = Callable[[str], Written]


@pytest.fixture(params=["gru", "window_network"])
def package(request: pytest.FixtureRequest, written: Packages) -> Written:
    return written(request.param)


def cmake(source: Path, build: Path, **environment: Path) -> None:
    """Configures and builds `source`, every warning of CMake an error."""
    variables = {**os.environ, **{key: str(value) for key, value in environment.items()}}
    for command in (
        ["cmake", "-S", source, "-B", build, "-Werror=dev"],
        ["cmake", "--build", build],
    ):
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert done.returncode == 0 and "CMake Warning" not in done.stderr, done.stderr


@pytest.fixture
def levels(package: Written, tmp_path: Path) -> list[str]:
    """What the example's LED does, from a plain C program."""
    main = '#include <stdio.h>\n#include "blink_model.h"\nint main(void) { blink_begin();\n'
    main += f'for (int i = 0; i < {STEPS}; i++) printf("%d\\n", blink_next()); return 0; }}\n'
    (tmp_path / "plain.c").write_text(main)
    includes = [*package.includes, f"-I{package.folder / 'examples' / 'rollout'}"]
    files = [str(tmp_path / "plain.c"), *map(str, package.sources)]
    run(["cc", "-std=c99", *includes, *files, "-o", str(tmp_path / "plain")])
    shown = run([str(tmp_path / "plain")]).split()
    assert len(shown) == STEPS
    return shown


def test_esp_idf(package: Written, levels: list[str], tmp_path: Path) -> None:
    project = package.folder / "examples" / "esp_idf"
    cmake(project, tmp_path / "build", IDF_PATH=FRAMEWORKS / "esp_idf")
    assert run([str(tmp_path / "build" / "firmware")]).split() == levels


def test_zephyr(package: Written, levels: list[str], tmp_path: Path) -> None:
    application = package.folder / "examples" / "zephyr"
    cmake(application, tmp_path / "build", ZEPHYR_BASE=FRAMEWORKS / "zephyr")
    assert run([str(tmp_path / "build" / "zephyr_final")]).split() == levels


@pytest.mark.parametrize("sketch", ["rollout", "selftest"])
def test_arduino(package: Written, levels: list[str], sketch: str, tmp_path: Path) -> None:
    """As arduino-cli does: all of src/ and of the sketch's folder, src/ alone on the path."""
    folder = package.folder / "examples" / sketch
    text = (folder / f"{sketch}.ino").read_text()
    (tmp_path / "sketch.cpp").write_text(f"#include <Arduino.h>\n#line 1\n{text}")
    arduino = FRAMEWORKS / "arduino"
    includes = [f"-I{path}" for path in (arduino, folder, package.folder / "src")]
    objects = []
    for number, source in enumerate(
        [*package.sources, *folder.glob("*.c"), tmp_path / "sketch.cpp", arduino / "main.cpp"]
    ):
        language = ["g++", "-std=gnu++11"] if source.suffix == ".cpp" else ["gcc", "-std=gnu11"]
        objects.append(str(tmp_path / f"{number}.o"))
        run([*language, "-Wall", "-Werror", *includes, "-c", str(source), "-o", objects[-1]])
    run(["g++", *objects, "-o", str(tmp_path / "sketch")])
    done = subprocess.run([tmp_path / "sketch"], capture_output=True, text=True)
    if sketch == "rollout":
        assert done.stdout.split() == levels
    else:
        assert done.stderr.splitlines() == ["self-test passed"] * STEPS
