from __future__ import annotations

from pathlib import Path

import pytest

from tqs_edge import resources
from tqs_edge.errors import InputError


def test_a_checkout_has_its_folders_beside_the_package() -> None:
    root = Path(resources.__file__).parents[1]
    assert resources.resource_dir("kernels") == root / "kernels"
    assert resources.resource_dir("targets") == root / "targets"


def test_an_installed_wheel_has_them_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "tqs_edge"
    (package / "_data" / "kernels").mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", package)
    assert resources.resource_dir("kernels") == package / "_data" / "kernels"
    with pytest.raises(InputError, match="lacks its 'targets' folder"):
        resources.resource_dir("targets")


def test_the_cache_honours_xdg_cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert resources.cache_dir("qemu") == tmp_path / "tqs_edge" / "qemu"
    assert (tmp_path / "tqs_edge" / "qemu").is_dir()
