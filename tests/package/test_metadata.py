"""The files of build systems that are not run here, before the parsers and rules of these systems.

PlatformIO and ESP-IDF publish theirs as wheels, Kconfig has one of its language; they run in
processes of their own. Zephyr and Arduino publish rules, which are repeated here: METADATA_SCHEMA
of scripts/zephyr_module.py (zephyrproject-rtos/zephyr), and the strict schema of
etc/schemas/arduino-library-properties-*.json (arduino/arduino-lint).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.package.conftest import Written, write
from tqs_edge.package.kernel_files import CONDITIONS
from tqs_edge.package.write import write_c_package
from tqs_edge.resources import resource_dir

Packages = Callable[[str], Written]
ARDUINO_REQUIRED = set(
    "name version author maintainer sentence paragraph category url architectures".split()
)
ARDUINO_KEYS = ARDUINO_REQUIRED | set("depends dot_a_linkage includes precompiled ldflags".split())
ARDUINO_CATEGORIES = (
    "Display, Communication, Signal Input/Output, Sensors, Device Control, Timing, Data Storage, "
    "Data Processing, Other"
).split(", ")
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
ZEPHYR_KEYS = {"name": str, "build": dict, "tests": list, "samples": list, "boards": list}
ZEPHYR_BUILD = {
    **dict.fromkeys(("cmake", "kconfig", "sysbuild-cmake", "sysbuild-kconfig"), str),
    **dict.fromkeys(("cmake-ext", "kconfig-ext", "sysbuild-cmake-ext"), bool),
    **{"sysbuild-kconfig-ext": bool, "depends": list, "settings": dict},
}
# Packs the library as `pio pkg pack` does. PlatformIO fetches the list of licences from the web.
PLATFORMIO = """
import json, sys
from platformio.package.manifest.parser import ManifestParserFactory
from platformio.package.manifest.schema import ManifestSchema
from platformio.package.pack import PackagePacker
licences = {"licenses": [{"licenseId": "Apache-2.0"}]}
ManifestSchema.load_spdx_licenses = staticmethod(lambda: licences)
folder, archive = sys.argv[1:]
manifests = [ManifestParserFactory.new_from_file(f"{folder}/{name}").as_dict()
             for name in ("library.json", "library.properties")]
for manifest in manifests:
    ManifestSchema().load_manifest(manifest)
PackagePacker(folder).pack(archive)
print(json.dumps(manifests))
"""
# Installs what the project's lib_deps names, from the project's folder as `pio run -d` does.
PLATFORMIO_DEPENDENCY = """
import sys
from platformio.package.manager.library import LibraryPackageManager
from platformio.package.meta import PackageSpec
from platformio.project.config import ProjectConfig
project = ProjectConfig.get_instance("platformio.ini")
assert project.validate() and len(project.envs()) == 2
for name in project.envs():
    (dependency,) = project.get(f"env:{name}", "lib_deps")
    print(LibraryPackageManager(sys.argv[1]).install(PackageSpec(dependency)).path)
"""
# Options as zephyr_module.py makes them of a module, and as west build reads prj.conf.
KCONFIG = """
import json, sys
import kconfiglib
tree = kconfiglib.Kconfig(sys.argv[1], warn_to_stderr=False)
tree.load_config(sys.argv[2])
symbols = {name: symbol.str_value for name, symbol in tree.syms.items() if symbol.nodes}
print(json.dumps([tree.warnings, symbols]))
"""


@pytest.fixture
def folder(written: Packages) -> Path:
    return written("gru").folder


def python(program: str | list[str], *words: object, home: Path, cwd: Path | None = None) -> str:
    """What a program of the test's Python prints; its settings stay in `home`."""
    command = ["-c", program] if isinstance(program, str) else program
    done = subprocess.run(
        [sys.executable, *command, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(home), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.package_tools
def test_platformio_reads_and_packs_the_library(folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "gru.tar.gz"
    said = python(PLATFORMIO, folder, archive, home=tmp_path / "home")
    library, arduino = json.loads(said.splitlines()[-1])
    assert library["headers"] == arduino["headers"] == ["gru.h"]
    assert library["version"] == arduino["version"] and library["license"] == "Apache-2.0"
    for example in library["examples"]:
        base = folder / example["base"]
        assert {base / name for name in example["files"]} == set(base.iterdir())
    # The registry takes no more than what its packer takes; the library builds from that.
    unpacked = tmp_path / "unpacked"
    subprocess.run(["tar", "xf", archive, "--one-top-level", "-C", tmp_path], check=True)
    (tmp_path / "gru").rename(unpacked)
    sources = {p.relative_to(folder) for p in (folder / "src").rglob("*") if p.is_file()}
    assert sources == {p.relative_to(unpacked) for p in (unpacked / "src").rglob("*.[ch]")}


@pytest.mark.package_tools
def test_platformio_finds_the_library_from_its_example(folder: Path, tmp_path: Path) -> None:
    project = folder / "examples" / "platformio"
    said = python(PLATFORMIO_DEPENDENCY, tmp_path / "libs", home=tmp_path / "home", cwd=project)
    found = [line for line in said.splitlines() if line.startswith("/")]
    assert found == [str(folder.resolve())] * 2


@pytest.mark.package_tools
def test_espressifs_component_manager_takes_the_component(folder: Path, tmp_path: Path) -> None:
    manager = ["-m", "idf_component_manager"]
    python([*manager, "manifest", "lint", str(folder)], home=tmp_path)
    words = ["--name", "gru", "--project-dir", folder, "--dest-dir", tmp_path / "dist"]
    python([*manager, "component", "pack"], *words, home=tmp_path)
    assert list((tmp_path / "dist").glob("gru_1.0.0.tgz"))


@pytest.mark.package_tools
def test_the_example_of_zephyr_turns_the_option_on(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "Kconfig").write_text(
        f'config GPIO\n\tbool "GPIO"\n\nmenu "tqs_gru ({folder})"\n'
        f'osource "{folder}/zephyr/Kconfig"\n'
        "config ZEPHYR_TQS_GRU_MODULE\n\tbool\n\tdefault y\nendmenu\n"
    )
    options = folder / "examples" / "zephyr" / "prj.conf"
    said = python(KCONFIG, tmp_path / "Kconfig", options, home=tmp_path)
    assert json.loads(said) == [
        [],
        {"GPIO": "y", "TQS_GRU": "y", "ZEPHYR_TQS_GRU_MODULE": "y"},
    ]
    guarded = (folder / "zephyr" / "CMakeLists.txt").read_text()
    assert guarded.startswith("if(CONFIG_TQS_GRU)\n")


@pytest.mark.parametrize("name", ["gru", "null", "app", "current"])
def test_zephyr_takes_the_module_whatever_the_models_name(name: str, tmp_path: Path) -> None:
    """YAML's words, and names that Zephyr has a use of its own for."""
    folder = write("gru", tmp_path / "package", prefix=name).folder
    module: dict[str, Any] = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert all(isinstance(value, ZEPHYR_KEYS[key]) for key, value in module.items())
    assert all(isinstance(value, ZEPHYR_BUILD[key]) for key, value in module["build"].items())
    assert module["name"] == f"tqs_{name}"
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    assert (folder / module["build"]["kconfig"]).is_file()


def test_arduino(folder: Path) -> None:
    lines = (folder / "library.properties").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert ARDUINO_REQUIRED <= set(values) <= ARDUINO_KEYS and all(values.values())
    assert values["category"] in ARDUINO_CATEGORIES and SEMVER.fullmatch(values["version"])
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,15}", values["name"])
    assert not re.search("arduino", values["name"] + values["maintainer"], re.IGNORECASE)
    assert re.fullmatch(r"https?://\S+", values["url"])
    assert (folder / "src" / values["includes"]).is_file()
    for sketch in (folder / "examples").glob("*/*.ino"):
        assert sketch.stem == sketch.parent.name


@pytest.mark.package_tools
def test_a_description_with_quotes_breaks_no_file(written: Packages, tmp_path: Path) -> None:
    package = written("gru")
    folder = tmp_path / "package"
    write_c_package(folder, package.bundle, "gru", 'a "model"\\: #1 = $x\n<b>', package.golden)
    said = python(PLATFORMIO, folder, tmp_path / "gru.tar.gz", home=tmp_path / "home")
    library, _ = json.loads(said.splitlines()[-1])
    assert library["description"] == "a model: 1  xb"
    python(["-m", "idf_component_manager", "manifest", "lint", str(folder)], home=tmp_path)
    root = tmp_path / "Kconfig"
    root.write_text(f'source "{folder}/zephyr/Kconfig"\n')
    (tmp_path / "prj.conf").write_text("CONFIG_TQS_GRU=y\n")
    said = python(KCONFIG, root, tmp_path / "prj.conf", home=tmp_path)
    assert json.loads(said) == [[], {"TQS_GRU": "y"}]


def test_every_list_of_sources_is_complete(folder: Path, written: Packages) -> None:
    sources = {p.relative_to(folder).as_posix() for p in written("gru").sources}
    for name in ("CMakeLists.txt", "Makefile", "zephyr/CMakeLists.txt"):
        assert set(re.findall(r"\bsrc/\S+\.c\b", (folder / name).read_text())) == sources


def test_every_folder_of_kernels_has_its_condition() -> None:
    folders = {p.parent.name for p in resource_dir("kernels").glob("*/*.c")} - {"build"}
    assert folders <= set(CONDITIONS)
