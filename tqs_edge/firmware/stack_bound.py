"""The most stack that a firmware's functions can use, by their machine code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tqs_edge.firmware.elf import ElfImage, read_elf
from tqs_edge.firmware.thumb import ANYWHERE, Instruction, StackUnknown, decode

ENTRY, STEP = "reset_handler", "tqs_model_step"
# Calls what its caller gave it; the driver gives it nothing.
GIVEN_A_FUNCTION = "tqs_model_init_verified"
MOST = 1 << 20  # more than the RAM of any board: a loop that pushes without end


@dataclass(frozen=True)
class StackBound:
    """Bytes of stack, worst case over all paths; None where there is no bound, for `reason`.

    firmware: from reset on, the driver included, as a run measures it
    step: of one call of the model's step
    """

    firmware: int | None
    step: int | None
    reason: str = ""


def stack_bound(elf: Path) -> StackBound:
    """The bounds of a linked firmware; of Thumb code only, others get None."""
    image = read_elf(elf)
    if image.code != "thumb":
        return StackBound(None, None, f"not for {image.code} code")
    try:
        return StackBound(stack_of(image, ENTRY), stack_of(image, STEP))
    except StackUnknown as error:
        return StackBound(None, None, str(error))


def stack_of(image: ElfImage, function: str) -> int:
    """The most bytes that `function` and all that it calls have on the stack at once.

    Raises StackUnknown for recursion, indirect calls and jumps, and frames of computed size.
    """
    return _Walk(image).function(image.address_of(function))[0]


class _Walk:
    """Every path through every function that is called, each function once."""

    def __init__(self, image: ElfImage) -> None:
        self.image = image
        self.known: dict[int, tuple[int, bool]] = {}
        self.open: list[int] = []

    def read(self, at: int) -> int:
        """The halfword at `at`."""
        for section in self.image.sections:
            offset = at - section.address
            if 0 <= offset < len(section.content) - 1:
                return int.from_bytes(section.content[offset : offset + 2], "little")
        raise StackUnknown(f"code at {at:#x} that is not in the image")

    def function(self, entry: int) -> tuple[int, bool]:
        """The most stack of the function at `entry`, and whether it ever returns."""
        if entry in self.open:
            raise StackUnknown(f"recursion in {self.image.function_at(entry)}")
        if entry not in self.known:
            self.open.append(entry)
            self.known[entry] = self._paths(entry)
            self.open.pop()
        return self.known[entry]

    def _is_far_jump(self, at: int, target: int) -> bool:
        """Whether a bl stays in its function: on v6-M no other jump reaches beyond 2 KiB."""
        return any(
            symbol.is_function
            and symbol.address <= at < symbol.address + symbol.size
            and symbol.address < target < symbol.address + symbol.size
            for symbol in self.image.symbols
        )

    def _called(self, target: int, at: int) -> tuple[int, bool]:
        """`function` of the call at `at`."""
        if target != ANYWHERE:
            return self.function(target)
        caller = self.image.function_at(at)
        if caller != GIVEN_A_FUNCTION:
            raise StackUnknown(f"an indirect call in {caller}")
        return 0, True

    def _paths(self, entry: int) -> tuple[int, bool]:
        most, returns = 0, False
        deepest: dict[int, int] = {}
        conditional: set[int] = set()
        ways: list[tuple[int, int, Instruction | None]] = [(entry, 0, None)]
        while ways:
            at, depth, before = ways.pop()
            if deepest.get(at, -1) >= depth:
                continue
            deepest[at] = depth
            step = decode(self.read, at, before)
            after = depth + step.grows
            most = max(most, after)
            if after > MOST:
                raise StackUnknown(f"a loop that takes stack at {at:#x}")
            if after < 0:
                raise StackUnknown(f"more taken off the stack than was put there at {at:#x}")
            following = at + step.size
            goes_on = step.flow in ("next", "branch") or at in conditional
            if step.flow == "call" and not self._is_far_jump(at, step.target):
                called, comes_back = self._called(step.target, at)
                most, goes_on = max(most, after + called), goes_on or comes_back
            elif step.flow in ("branch", "jump", "call"):
                ways.append((step.target, after, None))
            returns = returns or step.flow == "return"
            if step.conditional:
                conditional |= self._next(following, step.conditional)
            if goes_on:
                # A conditional instruction that is skipped leaves the stack as it was.
                skipped = at in conditional
                ways.append((following, max(depth, after) if skipped else after, step))
        return most, returns

    def _next(self, at: int, count: int) -> set[int]:
        """The addresses of `count` instructions from `at` on."""
        found = set()
        for _ in range(count):
            found.add(at)
            at += 4 if self.read(at) >> 11 >= 0b11101 else 2
        return found
