"""Writes a package: sources, kernels for every core, build files, examples, self-test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tqs_edge.artifacts import write_bytes, write_text
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.package.kernel_files import kernel_files, with_kernel_folder
from tqs_edge.package.names import renamed
from tqs_edge.package.selftest import GoldenRollout, selftest_files
from tqs_edge.resources import resource_dir

VERSION = "1.0.0"
AUTHOR, URL = "your name <you@example.com>", "https://example.com"  # for the user to fill in
WEIGHTS, WEIGHTS_V6M = "weights.bin", "weights-armv6m.bin"
SELFTEST = "examples/selftest"
PLACEHOLDER = re.compile(r"@(\w+)@")
SPECIAL = re.compile(r"""[^\w .,:;/+()-]""")  # in JSON, YAML, Kconfig, or a properties file


def write_c_package(
    folder: Path, bundle: SourceBundle, name: str, sentence: str, golden: GoldenRollout
) -> None:
    """Writes the package of a model under the prefix `name`; the same input gives the same bytes.

    sentence: what it is, in a line; characters that some build file gives a meaning are left out.
    Golden frames are in the self-test alone.
    """
    for path, text in package_files(bundle, name, sentence, golden).items():
        write_text(folder / path, text)
    write_bytes(folder / WEIGHTS, bundle.image_for("portable"))
    if bundle.image_v6m != bundle.image:
        write_bytes(folder / WEIGHTS_V6M, bundle.image_for("v6m"))


def package_files(
    bundle: SourceBundle, name: str, sentence: str, golden: GoldenRollout
) -> dict[str, str]:
    """Text by path of everything but the weights images."""
    symbols = tuple(PurePosixPath(kernel).stem for kernel in bundle.kernels)
    sources = {
        f"src/{_file_name(path, name)}": renamed(with_kernel_folder(text), name, symbols)
        for path, text in bundle.files.items()
    }
    kernels = kernel_files(bundle.kernels, bundle.files.values())
    sources |= {f"src/kernels/{p}": renamed(text, name, symbols) for p, text in kernels.items()}
    tests = {
        f"{SELFTEST}/{_file_name(path, name)}": renamed(text, name)
        for path, text in selftest_files(golden).items()
    }
    compiled = sorted(path for path in sources if path.endswith(".c"))
    values = {
        "name": name,
        "NAME": name.upper(),
        "version": VERSION,
        "author": AUTHOR,
        "url": URL,
        "sentence": SPECIAL.sub("", sentence),
        "weights_bytes": str(bundle.weight_bytes),
        "sources": "\n    ".join(compiled),
        "make_sources": " \\\n    ".join(compiled),
        "zephyr_sources": "\n        ".join(f"${{{name}_dir}}/{path}" for path in compiled),
    }
    return sources | tests | _filled_templates(values)


def _filled_templates(values: Mapping[str, str]) -> dict[str, str]:
    """The files of targets/package under the model's name."""
    root = resource_dir("targets") / "package"
    files = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        text = renamed(path.read_text("utf-8"), values["name"])
        files[path.relative_to(root).as_posix()] = PLACEHOLDER.sub(lambda m: values[m[1]], text)
    return files


def _file_name(path: str, name: str) -> str:
    """ "model_weights.c" as "gru_weights.c"."""
    return name + path.removeprefix("model")
