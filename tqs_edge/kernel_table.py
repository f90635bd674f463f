"""Every dense kernel: what it computes, where cores look for its source, what a call costs.

The costs are exact instruction counts (QEMU, GCC) of small shapes and sizes of code, in
kernel_costs.json; `tqs-edge bench kernels --write-costs` measures them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

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
ACT_BITS = (8, 16)
WEIGHT_BITS = (2, 4, 8, 16)
ACC_BITS = (32, 64)


COSTS_FILE = Path(__file__).with_name("kernel_costs.json")
MEASURED_ROWS = (*range(1, 9), 40)
MEASURED_WORDS = (*range(1, 17), 32)
# Periods of the kernels' loops. Armv6-M also prepares deep activations once per 32 rows, and sums
# of 64 bits are of chunks of up to 32 words: the last of the measured sizes lie that far apart.
ROW_BLOCK, WORD_BLOCK = 4, 8
LEAST_SHIFT = 32  # for which some kernels have a way of their own (kernels/README.md)


@dataclass(frozen=True)
class Cost:
    """instructions: of one call, (words, rows) as in MEASURED_WORDS and MEASURED_ROWS;
    least_shift: the same at LEAST_SHIFT; code_bytes: flash of the kernel's code."""

    code_bytes: int
    instructions: tuple[tuple[int, ...], ...]
    least_shift: tuple[tuple[int, ...], ...]

    def of(self, rows: int, words: int, *, least_shift: bool = False) -> float:
        """Instructions of a call; between and beyond the sizes measured they are linear in whole
        blocks of rows, in those of words, and in their product."""
        table = self.least_shift if least_shift else self.instructions
        at_row = _weights(rows, MEASURED_ROWS, ROW_BLOCK)
        at_word = _weights(words, MEASURED_WORDS, WORD_BLOCK)
        return sum(
            by_word * by_row * table[w][r]
            for w, by_word in at_word.items()
            for r, by_row in at_row.items()
        )


def _weights(count: int, measured: tuple[int, ...], block: int) -> Mapping[int, float]:
    """Indices of measured sizes and the weights with which they add up to size `count`.

    All sizes up to the last but one are measured: what is larger takes the one that lies whole
    blocks below, and as many parts of what the last two differ by.
    """
    near, far = measured[-2:]
    missing = max(0, -(-(count - near) // block))
    parts = missing * block / (far - near)
    weights = {count - missing * block - 1: 1.0}
    for index, part in ((len(measured) - 2, -parts), (len(measured) - 1, parts)):
        weights[index] = weights.get(index, 0.0) + part
    return weights


@dataclass(frozen=True)
class Kernel:
    """One dense kernel. `group` weights share a 32-bit word; costs by ISA class."""

    symbol: str
    act_bits: int
    weight_bits: int
    acc_bits: int
    group: int
    costs: Mapping[str, Cost]

    def instructions(self, isa: str, rows: int, depth: int, *, least_shift: bool = False) -> float:
        """Instructions of one call on a core of class `isa`, with a shift of LEAST_SHIFT or any."""
        words = (depth + self.group - 1) // self.group
        return self.costs[isa].of(rows, words, least_shift=least_shift)


@dataclass(frozen=True)
class StepCosts:
    """What everything but dense kernels costs on a class of cores (bench/step_costs.py).

    features: of codegen/step_profile.py -> (instructions each time, bytes of code); linked: symbol
    of a kernel or table -> bytes; around: instructions and bytes of a step that does nothing
    """

    features: Mapping[str, tuple[float, float]]
    linked: Mapping[str, int]
    around: tuple[float, float]

    def of(
        self, executed: Mapping[str, float], written: Mapping[str, float]
    ) -> tuple[float, float]:
        """Instructions and bytes of counted features; unknown ones count as any operation."""
        known, usual = self.features, (UNKNOWN_INSNS, UNKNOWN_BYTES)
        insns = sum(n * known.get(name, usual)[0] for name, n in executed.items())
        return insns, sum(n * known.get(name, usual)[1] for name, n in written.items())


UNKNOWN_INSNS, UNKNOWN_BYTES = 4.0, 8.0
# As `tqs-edge bench kernels --write-costs` wrote them.
_STORED = json.loads(COSTS_FILE.read_text(encoding="utf-8"))
STEP_COSTS = MappingProxyType(
    {
        isa: StepCosts(
            {name: (cost[0], cost[1]) for name, cost in costs["step"]["features"].items()},
            costs["step"]["linked"],
            tuple(costs["step"]["around"]),
        )
        for isa, costs in _STORED.items()
    }
)


def _measured() -> Mapping[str, Mapping[str, Cost]]:
    """Costs by ISA class and symbol."""
    return {
        isa: {symbol: cost_of(cost) for symbol, cost in costs["dense"].items()}
        for isa, costs in _STORED.items()
    }


def cost_of(stored: Mapping[str, Any]) -> Cost:
    """What is stored of a kernel; "least_shift" only where it differs."""
    usual, least = (
        tuple(map(tuple, stored.get(name, stored["instructions"])))
        for name in ("instructions", "least_shift")
    )
    return Cost(stored["code_bytes"], usual, least)


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
