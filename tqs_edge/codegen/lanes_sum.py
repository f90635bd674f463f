"""Sums of 16-bit numbers and of their products, shifted and saturated, on eight lanes of 16 bits.

Whole multiples of the output leave the shift, floor((a 2^s + b) / 2^s) = a + floor(b / 2^s), and
what is left is often one instruction: MVE shifts and multiplies with rounding inside 16 bits.
Whatever else is computed in 32 bits, even and odd lanes apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST, LEAST = (1 << 15) - 1, -(1 << 15)
PRODUCT_SHIFT = 15  # of VQRDMULH
NARROWING = 16  # the largest shift that saturates to 16 bits at once
MAX_INT32 = (1 << 31) - 1

Factors = Mapping[tuple[str, ...], int]  # C of one number or of two that are multiplied -> factor


@dataclass(frozen=True)
class LanesSum:
    """(sum of factors * products + constant) >> shift."""

    factors: Factors
    constant: int
    shift: int = 0

    @property
    def is_one_number(self) -> bool:
        """Whether it is a number that fits 16 bits, as it is."""
        return (*self.factors.values(), self.constant, self.shift) == (1, 0, 0) and all(
            len(key) == 1 for key in self.factors
        )

    def plus(self, other: LanesSum, sign: int) -> LanesSum:
        """self + sign * other; one of them may be shifted, `other` only with sign 1."""
        if other.shift:
            return other.plus(self, 1) if sign == 1 else other.times(-1).plus(self, 1)
        unit = sign << self.shift
        factors = dict(self.factors)
        for key, factor in other.factors.items():
            factors[key] = factors.get(key, 0) + unit * factor
        constant = self.constant + unit * other.constant
        return LanesSum({k: f for k, f in factors.items() if f}, constant, self.shift)

    def times(self, number: int) -> LanesSum:
        """A sum that is not shifted, times a constant."""
        return LanesSum({k: number * f for k, f in self.factors.items()}, number * self.constant)


def narrowed(total: LanesSum) -> str:
    """C of the sum, saturated to 16 bits."""
    half = 1 << total.shift >> 1
    if total.constant == half:
        short = _in_16_bits(total.factors, total.shift)
        if short is not None:
            return short
    return _in_32_bits(total, half)


def _in_16_bits(factors: Factors, shift: int) -> str | None:
    """The sum and half an output, shifted, without 32-bit lanes; None where that is not exact."""
    unit = 1 << shift
    whole = {key: f // unit for key, f in factors.items() if f % unit == 0}
    rest = {key: f for key, f in factors.items() if f % unit}
    if len(rest) > 1 or any(len(key) > 1 or abs(f) != 1 for key, f in whole.items()):
        return None
    parts = [(f, key[0]) for key, f in whole.items()]
    for key, factor in rest.items():
        rounded = _rounded(key, factor, shift)
        if rounded is None or (parts and not (len(key) == 1 and _fits(factor, shift))):
            return None
        parts.append((1, rounded))
    parts.sort(key=lambda part: -part[0])  # one that is added comes first
    if len(parts) > 2 or not parts or parts[0][0] < 0:
        return None  # several saturations are not one
    if len(parts) == 1:
        return parts[0][1]
    (_, a), (sign, b) = parts
    return f"tqs_lanes_{'add' if sign > 0 else 'sub'}({a}, {b})"


def _rounded(key: tuple[str, ...], factor: int, shift: int) -> str | None:
    """(factor * product + 2^(shift-1)) >> shift, saturated, by one or two instructions."""
    power = factor.bit_length() - 1 if factor > 0 and not factor & (factor - 1) else None
    if len(key) == 2:
        is_product = power is not None and shift - power == PRODUCT_SHIFT
        return f"tqs_lanes_product({', '.join(key)})" if is_product else None
    if power is not None and 1 <= shift - power <= NARROWING:
        return f"tqs_lanes_round_shift({key[0]}, {shift - power})"
    return _scaled(key[0], factor << (NARROWING - shift)) if shift <= NARROWING else None


def _scaled(x: str, factor: int) -> str | None:
    """(factor * x + 2^15) >> 16, saturated; where the factor has 17 bits the sum fits 16."""
    if not factor & 1 and LEAST <= factor >> 1 <= MOST:
        return f"tqs_lanes_scale({x}, {factor >> 1})"
    low = (factor - LEAST) % (1 << 16) + LEAST
    wraps = {-1: "sub", 0: "", 1: "add"}.get((factor - low) >> 16)
    if wraps is None or not _fits(factor, NARROWING):
        return None
    part = f"tqs_lanes_high_product({x}, {low})"
    return f"tqs_lanes_wrap_{wraps}({part}, {x})" if wraps else part


def _fits(factor: int, shift: int) -> bool:
    """Whether (factor * x + 2^(shift-1)) >> shift fits 16 bits for every x of 16 bits."""
    return abs(factor) << PRODUCT_SHIFT < MOST << shift


def _in_32_bits(total: LanesSum, half: int) -> str:
    """Any sum, from the even and the odd lanes."""
    shift, factors, constant = total.shift, dict(total.factors), total.constant
    unit, whole = 1 << shift, {}
    if _reach(factors, constant) > MAX_INT32:  # only whole multiples take it beyond 32 bits
        whole = {key: f // unit for key, f in factors.items() if f % unit == 0}
        factors = {key: f for key, f in factors.items() if f % unit}
    rounds = bool(shift) and constant % unit == half
    constant -= half if rounds else 0
    sides = [_wide(factors, constant, side) for side in ("even", "odd")]
    if whole or shift > NARROWING:
        shifted = f"tqs_wide_{'round_' if rounds else ''}shift"
        sides = [f"{shifted}({side}, {shift})" if shift else side for side in sides]
        for number, side in enumerate(("even", "odd")):
            if whole:
                sides[number] = f"tqs_wide_add({sides[number]}, {_wide(whole, 0, side)})"
        shift = 0
    if not shift:
        return f"tqs_lanes_narrow({', '.join(sides)})"
    narrow = f"tqs_lanes_narrow_{'round_' if rounds else ''}shift"
    return f"{narrow}({', '.join(sides)}, {shift})"


def _reach(factors: Factors, constant: int) -> int:
    """The largest magnitude of the sum."""
    return sum(abs(f) << 15 * len(key) for key, f in factors.items()) + abs(constant)


def _wide(factors: Factors, constant: int, side: str) -> str:
    text = ""
    for key, factor in factors.items():
        kind = "" if len(key) == 1 else "product_"
        term = f"tqs_wide_{kind}{side}({', '.join(key)})"
        term = term if factor == 1 else f"tqs_wide_mul_n({term}, {factor})"
        text = f"tqs_wide_add({text}, {term})" if text else term
    text = text or f"tqs_wide_{side}(tqs_lanes_dup(0))"
    return text if not constant else f"tqs_wide_add_n({text}, {constant})"
