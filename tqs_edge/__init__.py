"""Score, plan, lower and verify rolled-out time-series models on Arm microcontrollers.

tqs_edge.api has one function per verb of the command line; tqs_edge.compile is the main one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["compile"]


def __getattr__(name: str) -> Any:
    """`compile`, loaded on first use: torch and TVM take seconds to import."""
    if name == "compile":
        return import_module("tqs_edge.api").compile
    raise AttributeError(f"module 'tqs_edge' has no attribute '{name}'")
