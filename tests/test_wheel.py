"""The wheel carries the C code and the boards, and nothing that was built from them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_and_sdist_hold_kernels_and_targets(tmp_path: Path) -> None:
    import tarfile

    command = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=500)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("kernels", "targets"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "build" not in path.parts:
                assert f"tqs_edge/_data/{path.relative_to(ROOT)}" in names
    assert any(name.endswith(".safetensors") for name in names)
    assert not [n for n in names if n.endswith((".o", ".so", ".a", ".elf")) or "/tests/" in n]
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"kernels/tqs_kernels.h", "targets/common/main.c", "README.md", "LICENSE"} <= packed
