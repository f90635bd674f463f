"""Every dense kernel: what it computes, where cores look for its source, what a call costs.

The costs are fitted to exact instruction counts (QEMU, arm-none-eabi-gcc 12.2 -O2) of shapes from
4 x 4 to 128 x 64: instructions ~= call + rows * row + rows * ceil(depth / group) * word. They hold
within 11 %, exactly for 8-bit weights and even rows; one to three rows of a DSP kernel cost more.
Code bytes are sizes of the object files of the same compiler for Cortex-M0+, M3 and M4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tqs_edge.errors import InputError

# Class of cores -> folders of kernels/ in the order in which a kernel's file is looked for; where
# none has it, the portable file is taken. Armv6-M, Armv7-M, Armv7E-M and on with DSP extension,
# Armv8.1-M with MVE, Cortex-A with NEON, anything else.
ISA_FOLDERS = MappingProxyType(
    {
        "v6m": ("v6m",),
        "v7m": ("v7m",),
        "dsp": ("dsp", "v7m"),
        "mve": ("mve", "dsp", "v7m"),
        "neon": ("neon",),
        "portable": (),
    }
)
UNMEASURED = ("neon", "portable")  # their boards name a class whose costs stand in
ISAS = tuple(isa for isa in ISA_FOLDERS if isa not in UNMEASURED)
ACT_BITS = (8, 16)
WEIGHT_BITS = (2, 4, 8, 16)
ACC_BITS = (32, 64)


@dataclass(frozen=True)
class Cost:
    """Instructions of one call: `call` + rows * `row` + rows * words * `word`."""

    call: float
    row: float
    word: float


@dataclass(frozen=True)
class Kernel:
    """One dense kernel. `group` weights share a 32-bit word.

    costs, and code_bytes, the flash of its code, are keyed by ISA class.
    """

    symbol: str
    act_bits: int
    weight_bits: int
    acc_bits: int
    group: int
    costs: Mapping[str, Cost]
    code_bytes: Mapping[str, int]

    def instructions(self, isa: str, rows: int, depth: int) -> float:
        """Estimated instructions of one call on a core of class `isa`."""
        cost = self.costs[isa]
        words = (depth + self.group - 1) // self.group
        return cost.call + rows * (cost.row + words * cost.word)


def _kernel(
    widths: tuple[int, int, int],
    v6m: tuple[float, float, float],
    v7m: tuple[float, float, float],
    dsp: tuple[float, float, float],
) -> Kernel:
    act_bits, weight_bits, acc_bits = widths
    symbol = f"tqs_dense_a{act_bits}w{weight_bits}" + ("_acc64" if acc_bits == 64 else "")
    costs = {"v6m": Cost(*v6m), "v7m": Cost(*v7m), "dsp": Cost(*dsp), "mve": Cost(*dsp)}
    code_bytes = _CODE_BYTES[widths]
    return Kernel(
        symbol,
        act_bits,
        weight_bits,
        acc_bits,
        32 // weight_bits,
        MappingProxyType(costs),
        MappingProxyType(dict(zip(ISAS, (*code_bytes, code_bytes[-1]), strict=True))),
    )


# (act, weight, acc bits) -> code bytes on v6m, v7m, dsp
_CODE_BYTES = {
    (8, 2, 32): (496, 980, 968),
    (8, 4, 32): (400, 720, 720),
    (8, 8, 32): (308, 512, 528),
    (16, 2, 32): (516, 988, 892),
    (16, 4, 32): (416, 720, 680),
    (16, 8, 32): (288, 520, 512),
    (8, 2, 64): (700, 1092, 1096),
    (8, 4, 64): (524, 828, 852),
    (8, 8, 64): (352, 600, 604),
    (8, 16, 64): (312, 496, 420),
    (16, 2, 64): (704, 1092, 1092),
    (16, 4, 64): (528, 836, 852),
    (16, 8, 64): (344, 604, 608),
    (16, 16, 64): (324, 496, 404),
}

# (act, weight, acc bits), then (call, row, word) on v6m, v7m, dsp
DENSE_KERNELS = (
    _kernel((8, 2, 32), (195.1, 78.5, 108), (141.7, 20.4, 47.2), (95.5, 6.9, 25.1)),
    _kernel((8, 4, 32), (148.1, 80.5, 57), (107.4, 16.6, 25.3), (81.8, 7.7, 12.8)),
    _kernel((8, 8, 32), (60, 88, 26), (47, 16.5, 13.5), (50, 8, 6.3)),
    _kernel((16, 2, 32), (198.1, 81.5, 112), (140.7, 14.6, 47.1), (86.3, 7.4, 22.6)),
    _kernel((16, 4, 32), (150.6, 83.5, 61), (107.4, 16.6, 25.3), (76.7, 8.1, 11.6)),
    _kernel((16, 8, 32), (58, 82, 26), (47, 16.5, 13.5), (50, 8, 5.8)),
    _kernel((8, 2, 64), (263.6, 83.8, 187.9), (170.5, 19.8, 49), (168.3, 19.8, 50.5)),
    _kernel((8, 4, 64), (190.7, 89.5, 94.5), (128.7, 22.7, 26.7), (130.4, 23.2, 28.3)),
    _kernel((8, 8, 64), (58, 92, 45), (52, 22, 14.5), (53, 24.5, 16)),
    _kernel((8, 16, 64), (55, 93, 29), (45, 21, 7.5), (37.2, 38.1, 3.3)),
    _kernel((16, 2, 64), (265.6, 83.8, 187.9), (170.5, 19.8, 49), (168.3, 19.8, 50.5)),
    _kernel((16, 4, 64), (192.7, 89.5, 94.5), (128.7, 22.7, 26.7), (130.4, 23.2, 28.3)),
    _kernel((16, 8, 64), (57, 91, 45), (52, 22, 14.5), (50, 24.5, 16)),
    _kernel((16, 16, 64), (59, 94, 29), (45, 21, 7.5), (36.8, 38.2, 2.3)),
)

_BY_WIDTHS = {(k.act_bits, k.weight_bits, k.acc_bits): k for k in DENSE_KERNELS}


def dense_kernel(act_bits: int, weight_bits: int, acc_bits: int) -> Kernel:
    """The dense kernel for these widths.

    Raises InputError for widths without a kernel: 16-bit weights always accumulate in 64 bits.
    """
    try:
        return _BY_WIDTHS[act_bits, weight_bits, acc_bits]
    except KeyError:
        raise InputError(
            f"no dense kernel a{act_bits}w{weight_bits} with a {acc_bits}-bit accumulator; "
            f"activations {ACT_BITS}, weights {WEIGHT_BITS}, accumulators {ACC_BITS} "
            "(16-bit weights: 64 only)"
        ) from None


def legal_weight_bits(act_bits: int) -> tuple[int, ...]:
    """Weight widths that have a kernel for activations of `act_bits`, ascending."""
    return tuple(sorted({k.weight_bits for k in DENSE_KERNELS if k.act_bits == act_bits}))
