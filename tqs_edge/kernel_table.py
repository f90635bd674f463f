"""Every dense kernel: what it computes, where its source is, what a call costs.

The costs are fits to exact instruction counts (QEMU, arm-none-eabi-gcc 12.2 -O2) over the shapes
rows 4..128, depth 4..128:
instructions ~= call + rows * row + rows * ceil(depth / group) * word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tqs_edge.errors import InputError

ISAS = ("v6m", "v7m", "dsp")  # Armv6-M, Armv7-M, and cores with the DSP extension
ACT_BITS = (8, 16)
WEIGHT_BITS = (2, 4, 8, 16)
ACC_BITS = (32, 64)
HEADERS = (
    "tqs_fixed.h",
    "tqs_lut.h",
    "tqs_kernels.h",
    "tqs_dense_template.h",
    "tqs_dense_words.h",
)


@dataclass(frozen=True)
class Cost:
    """Instructions of one call: `call` + rows * `row` + rows * words * `word`."""

    call: float
    row: float
    word: float


@dataclass(frozen=True)
class Kernel:
    """One dense kernel. `group` weights share a 32-bit word; `costs` is keyed by ISA class."""

    symbol: str
    act_bits: int
    weight_bits: int
    acc_bits: int
    group: int
    has_dsp_source: bool
    costs: Mapping[str, Cost]

    def source(self, isa: str) -> str:
        """File under kernels/ that implements the symbol for cores of class `isa`."""
        return f"{'dsp/' if isa == 'dsp' and self.has_dsp_source else ''}{self.symbol}.c"

    def instructions(self, isa: str, rows: int, depth: int) -> float:
        """Estimated instructions of one call on a core of class `isa`."""
        cost = self.costs[isa]
        words = (depth + self.group - 1) // self.group
        return cost.call + rows * (cost.row + words * cost.word)


def _kernel(
    widths: tuple[int, int, int],
    has_dsp_source: bool,
    v6m: tuple[float, float, float],
    v7m: tuple[float, float, float],
    dsp: tuple[float, float, float],
) -> Kernel:
    act_bits, weight_bits, acc_bits = widths
    symbol = f"tqs_dense_a{act_bits}w{weight_bits}" + ("_acc64" if acc_bits == 64 else "")
    costs = {"v6m": Cost(*v6m), "v7m": Cost(*v7m), "dsp": Cost(*dsp)}
    return Kernel(
        symbol,
        act_bits,
        weight_bits,
        acc_bits,
        32 // weight_bits,
        has_dsp_source,
        MappingProxyType(costs),
    )


# (act, weight, acc bits), own DSP source, then (call, row, word) on v6m, v7m, dsp
DENSE_KERNELS = (
    _kernel((8, 2, 32), True, (90, 75, 100), (60, 30, 55), (60, 13, 23)),
    _kernel((8, 4, 32), True, (90, 75, 52), (60, 30, 28), (60, 13, 12.5)),
    _kernel((8, 8, 32), True, (60, 75, 28), (30, 30, 15), (40, 13, 6.3)),
    _kernel((16, 2, 32), True, (90, 75, 100), (60, 30, 55), (60, 13, 20)),
    _kernel((16, 4, 32), True, (90, 75, 52), (60, 30, 28), (60, 13, 11)),
    _kernel((16, 8, 32), True, (60, 75, 28), (30, 30, 15), (40, 13, 5.5)),
    _kernel((8, 2, 64), False, (90, 75, 100), (60, 30, 55), (60, 30, 57)),
    _kernel((8, 4, 64), False, (90, 75, 52), (60, 30, 28), (60, 30, 30)),
    _kernel((8, 8, 64), False, (60, 75, 28), (30, 30, 15), (40, 30, 17)),
    _kernel((8, 16, 64), True, (60, 75, 28), (30, 30, 15), (40, 15, 4)),
    _kernel((16, 2, 64), False, (90, 75, 100), (60, 30, 55), (60, 30, 57)),
    _kernel((16, 4, 64), False, (90, 75, 52), (60, 30, 28), (60, 30, 30)),
    _kernel((16, 8, 64), False, (60, 75, 28), (30, 30, 15), (40, 30, 17)),
    _kernel((16, 16, 64), True, (60, 75, 28), (30, 30, 15), (40, 15, 3)),
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
