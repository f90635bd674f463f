"""The directory that `compile` writes and the later verbs read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tqs_edge import __version__
from tqs_edge.artifacts import content_hash, load, read_json, save, sha256, write_json
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import InputError
from tqs_edge.firmware.build import RECORD_NAME, Firmware, load_firmware
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.pipeline.c_package import write_model_package
from tqs_edge.pipeline.lowering import Lowered
from tqs_edge.pipeline.prepare import Trials
from tqs_edge.plan.bit_plan import BitPlan

MODEL, PROGRAM, PLAN, BUNDLE = "model.json", "program.json", "plan.json", "bundle.json"
TRIALS, C_PACKAGE, MANIFEST = "trials.json", "package", "manifest.json"
RANGES = "ranges.json"


@dataclass(frozen=True, eq=False)
class Package:
    """Everything in a compiled directory: the lowered model, its firmware, how to judge it."""

    lowered: Lowered
    firmware: Firmware
    trials: Trials
    horizon: int
    directory: Path


def write_package(
    directory: Path, lowered: Lowered, firmware: Firmware, trials: Trials, horizon: int, name: str
) -> None:
    """Writes all files of a package; the images are copied from where `firmware` was built.

    name: prefix of the C package.
    """
    for file, value in (
        (MODEL, lowered.model),
        (PROGRAM, lowered.program),
        (PLAN, lowered.plan),
        (BUNDLE, lowered.bundle),
        (TRIALS, trials),
    ):
        save(directory / file, value)
    write_model_package(directory / C_PACKAGE, lowered, trials, name)
    for image in (*firmware.record.sha256, RECORD_NAME):
        shutil.copyfile(firmware.folder / image, directory / image)
    write_json(directory / MANIFEST, _manifest(directory, lowered, firmware, horizon))


def _manifest(
    directory: Path, lowered: Lowered, firmware: Firmware, horizon: int
) -> dict[str, Any]:
    """What went in and what came out, by hash; no dates, no paths, so it is reproducible."""
    package = directory / C_PACKAGE
    sources = sorted(path for path in package.rglob("*") if path.is_file())
    return {
        "model": {"name": lowered.model.name, "sha256": content_hash(lowered.model)},
        "plan": {"method": lowered.plan.method, "sha256": content_hash(lowered.plan)},
        "program": {"sha256": content_hash(lowered.program)},
        "board": firmware.board.name,
        "horizon": horizon,
        "tools": {
            "tqs-edge": __version__,
            "apache-tvm": metadata.version("apache-tvm"),
            "torch": metadata.version("torch"),
            "numpy": metadata.version("numpy"),
            firmware.record.compiler: firmware.record.compiler_version,
        },
        "compiler": firmware.record.compiler,
        "optimize": firmware.record.optimize,
        "sources": {
            path.relative_to(package).as_posix(): sha256(path.read_bytes()) for path in sources
        },
        "firmware": dict(sorted(firmware.record.sha256.items())),
    }


def read_package(directory: Path) -> Package:
    """The package in `directory`; InputError where it is none, damaged, or was changed."""
    if not directory.is_dir():
        raise InputError(f"'{directory}' is not a directory; give what `compile -o` wrote")
    manifest = read_json(directory / MANIFEST)
    lowered = Lowered(
        load(directory / MODEL, RolloutModel),
        load(directory / PLAN, BitPlan),
        load(directory / PROGRAM, IntegerProgram),
        load(directory / BUNDLE, SourceBundle),
    )
    firmware = load_firmware(directory, lowered.bundle)
    if dict(firmware.record.sha256) != manifest["firmware"]:
        raise InputError(f"'{directory / MANIFEST}' was changed; run `tqs-edge compile` again")
    trials = load(directory / TRIALS, Trials)
    return Package(lowered, firmware, trials, int(manifest["horizon"]), directory)
