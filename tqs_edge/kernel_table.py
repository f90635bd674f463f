"""Every dense kernel: what it computes, where cores look for its source, what a call costs.

The costs are exact instruction counts (QEMU, GCC) of the shapes up to 8 rows by 8 words of weights
and sizes of code, in kernel_costs.json; `tqs-edge bench kernels --write-costs` measures them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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


COSTS_FILE = Path(__file__).with_name("kernel_costs.json")
MEASURED_ROWS = tuple(range(1, 9))
MEASURED_WORDS = tuple(range(1, 9))
ROW_BLOCK, WORD_BLOCK = 4, 4  # no kernel's loops have a longer period


@dataclass(frozen=True)
class Cost:
    """instructions: of one call, (words, rows) as in MEASURED_WORDS and MEASURED_ROWS; code_bytes:
    flash of the kernel's code."""

    code_bytes: int
    instructions: tuple[tuple[int, ...], ...]

    def of(self, rows: int, words: int) -> float:
        """Instructions of a call; larger shapes than were measured go on in whole blocks."""
        w, words_more = _within(words, len(self.instructions), WORD_BLOCK)
        r, rows_more = _within(rows, len(self.instructions[0]), ROW_BLOCK)
        here = self.instructions[w][r]
        # Linear in the blocks of rows, in those of words, and in their product.
        by_row = here - self._at(w, r - ROW_BLOCK) if rows_more else 0
        by_word = here - self._at(w - WORD_BLOCK, r) if words_more else 0
        both = 0
        if rows_more and words_more:
            both = by_row - self._at(w - WORD_BLOCK, r) + self._at(w - WORD_BLOCK, r - ROW_BLOCK)
        return here + rows_more * by_row + words_more * by_word + rows_more * words_more * both

    def _at(self, word: int, row: int) -> int:
        return self.instructions[word][row]


def _within(count: int, measured: int, block: int) -> tuple[int, int]:
    """(index of the measured shape that stands for `count`, whole blocks that are missing)."""
    missing = max(0, -(-(count - measured) // block))
    return count - missing * block - 1, missing


@dataclass(frozen=True)
class Kernel:
    """One dense kernel. `group` weights share a 32-bit word; costs by ISA class."""

    symbol: str
    act_bits: int
    weight_bits: int
    acc_bits: int
    group: int
    costs: Mapping[str, Cost]

    def instructions(self, isa: str, rows: int, depth: int) -> float:
        """Instructions of one call on a core of class `isa`."""
        return self.costs[isa].of(rows, (depth + self.group - 1) // self.group)

    def merged_call(self, isa: str, rows: int, before: int, depth: int) -> float:
        """Instructions that one call for `before` + `rows` rows saves against two."""
        together = self.instructions(isa, before + rows, depth)
        return (
            self.instructions(isa, before, depth) + self.instructions(isa, rows, depth) - together
        )


def _measured() -> Mapping[str, Mapping[str, Cost]]:
    """Costs by ISA class and symbol, as `tqs-edge bench kernels --write-costs` wrote them."""
    stored = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
    return {
        isa: {
            symbol: Cost(cost["code_bytes"], tuple(map(tuple, cost["instructions"])))
            for symbol, cost in kernels.items()
        }
        for isa, kernels in stored.items()
    }


_MEASURED = _measured()


def _kernel(act_bits: int, weight_bits: int, acc_bits: int) -> Kernel:
    symbol = f"tqs_dense_a{act_bits}w{weight_bits}" + ("_acc64" if acc_bits == 64 else "")
    costs = {isa: kernels[symbol] for isa, kernels in _MEASURED.items() if symbol in kernels}
    group = 32 // weight_bits
    return Kernel(symbol, act_bits, weight_bits, acc_bits, group, MappingProxyType(costs))


DENSE_KERNELS = tuple(
    _kernel(act_bits, weight_bits, acc_bits)
    for acc_bits in ACC_BITS
    for act_bits in ACT_BITS
    for weight_bits in WEIGHT_BITS
    if weight_bits < 16 or acc_bits == 64
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
