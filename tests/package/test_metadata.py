"""The files of build systems that are not run here, against the keys that these publish.

Sources: Arduino library specification 2.1 (arduino.github.io/arduino-cli, library-specification);
PlatformIO library.json (docs.platformio.org, manifests/library-json); ESP-IDF component manager,
manifest file format (docs.espressif.com/projects/idf-component-manager); Zephyr
scripts/zephyr_module.py, METADATA_SCHEMA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.package.conftest import Written
from tqs_edge.package.kernel_files import CONDITIONS
from tqs_edge.resources import resource_dir

Packages = Callable[[str], Written]
VERSION = re.compile(r"\d+\.\d+\.\d+$")
ARDUINO_REQUIRED = set("name version author maintainer sentence paragraph category url".split())
ARDUINO_KEYS = ARDUINO_REQUIRED | set(
    "architectures depends dot_a_linkage includes license".split()
)
ARDUINO_CATEGORIES = (
    "Display, Communication, Signal Input/Output, Sensors, Device Control, Timing, Data Storage, "
    "Data Processing, Other"
).split(", ")
PLATFORMIO_KEYS = set(
    "name version description keywords homepage repository authors license frameworks platforms "
    "headers examples dependencies export scripts build".split()
)
PLATFORMIO_BUILD = set(
    "flags unflags includeDir srcDir srcFilter extraScript libArchive libLDFMode libCompatMode "
    "builder".split()
)
ESP_KEYS = set(
    "version targets description url repository documentation issues discussion maintainers "
    "license tags dependencies files examples repository_info".split()
)
ZEPHYR_BUILD = set("cmake kconfig cmake-ext kconfig-ext depends settings sysbuild-cmake".split())


@pytest.fixture
def folder(written: Packages) -> Path:
    return written("gru").folder


def test_arduino(folder: Path) -> None:
    lines = (folder / "library.properties").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert ARDUINO_REQUIRED <= set(values) <= ARDUINO_KEYS and all(values.values())
    assert values["category"] in ARDUINO_CATEGORIES and VERSION.match(values["version"])
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", values["name"])
    assert (folder / "src" / values["includes"]).is_file()
    for sketch in (folder / "examples").glob("*/*.ino"):
        assert sketch.stem == sketch.parent.name


def test_platformio(folder: Path) -> None:
    manifest = json.loads((folder / "library.json").read_text())
    assert set(manifest) <= PLATFORMIO_KEYS and set(manifest["build"]) <= PLATFORMIO_BUILD
    assert VERSION.match(manifest["version"])
    assert (folder / manifest["build"]["srcDir"] / manifest["headers"]).is_file()
    for example in manifest["examples"]:
        assert all((folder / example["base"] / name).is_file() for name in example["files"])


def test_esp_idf(folder: Path) -> None:
    text = (folder / "idf_component.yml").read_text()
    keys = re.findall(r"^(\w+):", text, re.M)
    assert {"version"} <= set(keys) <= ESP_KEYS
    assert re.search(r'^version: "\d+\.\d+\.\d+"$', text, re.M)
    cmake = (folder / "CMakeLists.txt").read_text()
    assert cmake.index("idf_component_register(SRCS") < cmake.index("project(")


def test_zephyr(folder: Path) -> None:
    text = (folder / "zephyr" / "module.yml").read_text()
    assert re.findall(r"^(\w+):", text, re.M) == ["name", "build"]
    build = dict(re.findall(r"^  ([\w-]+): (\S+)$", text, re.M))
    assert set(build) <= ZEPHYR_BUILD
    assert (folder / build["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / build["kconfig"]).is_file()
    options = re.findall(r"^config (\w+)$", (folder / build["kconfig"]).read_text(), re.M)
    assert f"CONFIG_{options[0]}=y" in (folder / "examples" / "zephyr" / "prj.conf").read_text()


def test_every_list_of_sources_is_complete(folder: Path, written: Packages) -> None:
    sources = {p.relative_to(folder).as_posix() for p in written("gru").sources}
    for name in ("CMakeLists.txt", "Makefile", "zephyr/CMakeLists.txt"):
        assert set(re.findall(r"\bsrc/\S+\.c\b", (folder / name).read_text())) == sources


def test_every_folder_of_kernels_has_its_condition() -> None:
    folders = {p.parent.name for p in resource_dir("kernels").glob("*/*.c")} - {"build"}
    assert folders <= set(CONDITIONS)
