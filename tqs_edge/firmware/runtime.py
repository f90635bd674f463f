"""What starts a program, by kind of machine: files of targets/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HEADERS = ("common/semihost.h", "common/semihost_call.h", "common/platform.h")


@dataclass(frozen=True)
class Runtime:
    """start_up: what every program links; semihosting: what implements semihost.h; scripts: ld."""

    start_up: tuple[str, ...]
    semihosting: str
    scripts: tuple[str, ...]


def _runtime(
    *start_up: str,
    semihosting: str = "common/semihost.c",
    sections: str,
    data: str = "common/data.ld",
) -> Runtime:
    shared = ("common/mem.c", "common/reset.c", *HEADERS)
    return Runtime((*shared, *start_up), semihosting, (sections, "common/code.ld", data))


RUNTIMES: Mapping[str, Runtime] = MappingProxyType(
    {
        "cortex_m": _runtime("cortex_m/startup.c", sections="cortex_m/sections.ld"),
        "riscv": _runtime("riscv/entry.S", "riscv/startup.c", sections="riscv/sections.ld"),
        "linux": _runtime(
            *("linux/entry.S", "linux/startup.c"),
            semihosting="linux/semihost.c",
            sections="linux/sections.ld",
            data="linux/data.ld",
        ),
    }
)
