"""Words that no tensor may be called: C, TVM and the kernels use them."""

from __future__ import annotations

import re

WORDS = frozenset(
    # C99 and its common extensions
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while asm typeof NULL "
    "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t "
    # TVM: the block around a function's loops
    "root".split()
)
# Macros of <stdint.h>, and functions, types and macros of kernels/ and of the emitted package.
PREFIXES = re.compile(r"U?INT\d+_|tqs_|TQS_")


def is_reserved(name: str) -> bool:
    """Whether `name` means something else in C, in TVM or in the kernels."""
    return name in WORDS or PREFIXES.match(name) is not None


def free_name(wanted: str) -> str:
    """`wanted`, or a name like it that is not reserved."""
    if PREFIXES.match(wanted):
        return f"n_{wanted}"
    return f"{wanted}_2" if wanted in WORDS else wanted
