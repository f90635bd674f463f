"""One arena: every tensor gets an offset that it shares only with tensors of other lifetimes.

Greedy by size: the largest buffer first, each at the lowest offset where it overlaps no placed
buffer that is alive at the same time. Where that is larger than the largest set of buffers alive at
once, those that ended at the top are placed earlier and the best of several rounds is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 8  # bytes
ROUNDS = 64  # of moving what ended at the top of the arena forward


@dataclass(frozen=True)
class Buffer:
    """A tensor in the arena, alive from call `first_use` to call `last_use` inclusive."""

    name: str
    size: int  # bytes, padding included
    first_use: int
    last_use: int


@dataclass(frozen=True)
class MemoryPlan:
    """Byte offsets in an arena of `arena_bytes`, and the buffers that they were made for."""

    arena_bytes: int
    offsets: Mapping[str, int]
    buffers: tuple[Buffer, ...]


def plan_memory(buffers: Sequence[Buffer]) -> MemoryPlan:
    """The plan; offsets are multiples of 8, the same input gives the same plan."""
    bound = live_bytes(buffers)
    order = sorted(buffers, key=lambda b: (-b.size, b.first_use, b.name))
    best = _placed_in(order, buffers)
    plan, moved = best, 0
    while best.arena_bytes > bound and moved < ROUNDS:
        tops = [b for b in order if plan.offsets[b.name] + _aligned(b.size) == plan.arena_bytes]
        order = [*tops, *(b for b in order if b not in tops)]
        plan, moved = _placed_in(order, buffers), moved + 1
        best = min(best, plan, key=lambda p: p.arena_bytes)
    return best


def live_bytes(buffers: Sequence[Buffer]) -> int:
    """Bytes of the largest set of buffers that are alive at once: no arena can be smaller."""
    return max(
        (
            sum(_aligned(b.size) for b in buffers if b.first_use <= call <= b.last_use)
            for call in {b.first_use for b in buffers}
        ),
        default=0,
    )


def _placed_in(order: Sequence[Buffer], buffers: Sequence[Buffer]) -> MemoryPlan:
    """The plan that places the buffers one after the other in this order."""
    offsets: dict[str, int] = {}
    placed: list[Buffer] = []
    for buffer in order:
        offsets[buffer.name] = _lowest_free(buffer, placed, offsets)
        placed.append(buffer)
    ends = [offsets[b.name] + _aligned(b.size) for b in buffers]
    return MemoryPlan(max(ends, default=0), offsets, tuple(buffers))


def check_overlap(plan: MemoryPlan) -> list[tuple[str, str]]:
    """Pairs of buffers that are alive at once and share bytes; empty for a right plan."""
    pairs = []
    for index, a in enumerate(plan.buffers):
        for b in plan.buffers[index + 1 :]:
            start = max(plan.offsets[a.name], plan.offsets[b.name])
            end = min(plan.offsets[a.name] + a.size, plan.offsets[b.name] + b.size)
            if _alive_together(a, b) and start < end:
                pairs.append((a.name, b.name))
    return pairs


def dump(plan: MemoryPlan) -> str:
    """The plan as a table, one line per buffer by offset: bytes and lifetime."""
    lines = [f"arena {plan.arena_bytes} bytes", "  offset  bytes  calls    tensor"]
    for b in sorted(plan.buffers, key=lambda b: (plan.offsets[b.name], b.first_use)):
        lifetime = f"{b.first_use}..{b.last_use}"
        lines.append(f"  {plan.offsets[b.name]:6d} {b.size:6d}  {lifetime:7s}  {b.name}")
    return "\n".join(lines) + "\n"


def _lowest_free(buffer: Buffer, placed: Sequence[Buffer], offsets: Mapping[str, int]) -> int:
    others = sorted(
        (b for b in placed if _alive_together(b, buffer)), key=lambda b: offsets[b.name]
    )
    offset = 0
    for other in others:
        if offset + buffer.size <= offsets[other.name]:
            break
        offset = max(offset, offsets[other.name] + _aligned(other.size))
    return offset


def _alive_together(a: Buffer, b: Buffer) -> bool:
    return a.first_use <= b.last_use and b.first_use <= a.last_use


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
