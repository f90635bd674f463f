"""The files of kernels/ that a model calls, for all cores at once.

Every variant of a kernel comes along, and the preprocessor keeps the one for the core that is
compiled for: build systems that compile whatever they find need no list of files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tqs_edge.resources import resource_dir

# Folder of kernels/ -> what the compiler defines for cores that it suits, the best one first.
CONDITIONS = {
    "mve": "defined(__ARM_FEATURE_MVE)",
    "neon": "defined(__ARM_NEON)",
    "dsp": "defined(__ARM_FEATURE_DSP)",
    "v7m": "defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB >= 2",
    "v6m": "defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1",
}
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def kernel_files(kernels: Iterable[str], users: Iterable[str]) -> dict[str, str]:
    """Text by path below kernels/: all variants of `kernels`, and the headers that these and the
    texts `users` include. Includes are relative to the file they stand in."""
    root = resource_dir("kernels")
    files: dict[str, str] = {}
    for kernel in sorted(kernels):
        folders = [f for f in CONDITIONS if (root / f / kernel).is_file()]
        for number, folder in enumerate(folders):
            files[f"{folder}/{kernel}"] = _guarded(
                _text(root / folder / kernel), [folder], folders[:number]
            )
        files[kernel] = _guarded(_text(root / kernel), [], folders)
    wanted = [(name, text) for name, text in files.items()]
    wanted += [(".", text) for text in users]
    while wanted:
        name, text = wanted.pop()
        for header in INCLUDE.findall(text):
            path = _header_path(root, header, PurePosixPath(name).parent)
            if path is not None and path not in files:
                files[path] = _text(root / path)
                wanted.append((path, files[path]))
    return {name: _relative(root, name, text) for name, text in sorted(files.items())}


def with_kernel_folder(text: str) -> str:
    """The text of a file beside the folder kernels/, with includes that lead into it."""
    return INCLUDE.sub(
        lambda m: f'#include "kernels/{m[1]}"' if m[1].startswith("tqs_") else m[0], text
    )


def _guarded(text: str, needed: list[str], better: list[str]) -> str:
    """`text` for cores that `needed` suits and none of `better` does."""
    terms = [f"({CONDITIONS[f]})" for f in needed] + [f"!({CONDITIONS[f]})" for f in better]
    if not terms:
        return text
    # ISO C wants at least one declaration in a file.
    return f"#include <stdint.h>\n\n#if {' && '.join(terms)}\n\n{text}\n#endif\n"


def _header_path(root: Path, header: str, folder: PurePosixPath) -> str | None:
    """Where below kernels/ a header is: beside the file that includes it, else by its name."""
    for path in (folder / header, PurePosixPath(header)):
        if (root / path).is_file():
            return str(path)
    found = sorted(root.glob(f"*/{header}"))
    return str(PurePosixPath(found[0].relative_to(root).as_posix())) if found else None


def _relative(root: Path, name: str, text: str) -> str:
    """`text` of the file `name` with includes relative to its folder."""
    folder = PurePosixPath(name).parent

    def path(match: re.Match[str]) -> str:
        header = _header_path(root, match[1], folder)
        if header is None:
            return match[0]
        here = str(folder) if str(folder) != "." else ""
        if here and header.startswith(f"{here}/"):
            return f'#include "{header.removeprefix(f"{here}/")}"'
        return f'#include "{"../" * len(folder.parts)}{header}"'

    return INCLUDE.sub(path, text)


def _text(path: Path) -> str:
    return path.read_text("utf-8")
