"""Where the shipped C files are, and where compiled helpers may be kept."""

from __future__ import annotations

import os
from pathlib import Path

from tqs_edge.errors import InputError

PACKAGE = Path(__file__).resolve().parent


def resource_dir(name: str) -> Path:
    """The directory `kernels` or `targets`: inside an installed wheel, else beside the package.

    Raises InputError when the installation has neither.
    """
    for directory in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if directory.is_dir():
            return directory
    raise InputError(f"the installation lacks its '{name}' folder; reinstall tqs_edge")


def cache_dir(name: str) -> Path:
    """The directory `name` of the user's cache ($XDG_CACHE_HOME, else ~/.cache), created."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(base) / "tqs_edge" / name
    directory.mkdir(parents=True, exist_ok=True)
    return directory
