from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tqs_edge.passes.plan_memory import Buffer, MemoryPlan, check_overlap, dump, plan_memory

lifetimes = st.tuples(st.integers(1, 200), st.integers(0, 12), st.integers(0, 6))
buffer_lists = st.lists(lifetimes, max_size=14).map(
    lambda items: [Buffer(f"b{i}", size, t, t + n) for i, (size, t, n) in enumerate(items)]
)


@given(buffer_lists)
def test_no_two_live_buffers_share_bytes_and_all_fit(buffers: list[Buffer]) -> None:
    plan = plan_memory(buffers)
    assert check_overlap(plan) == []
    assert all(offset % 8 == 0 for offset in plan.offsets.values())
    assert all(plan.offsets[b.name] + b.size <= plan.arena_bytes for b in buffers)


@given(buffer_lists)
def test_never_larger_than_without_sharing(buffers: list[Buffer]) -> None:
    assert plan_memory(buffers).arena_bytes <= sum(-(-b.size // 8) * 8 for b in buffers)


def test_a_chain_of_equal_buffers_needs_two() -> None:
    chain = [Buffer(f"t{i}", 64, i, i + 1) for i in range(9)]
    assert plan_memory(chain).arena_bytes == 128


def test_check_overlap_finds_a_wrong_plan() -> None:
    buffers = (Buffer("a", 16, 0, 2), Buffer("b", 16, 2, 3), Buffer("c", 16, 3, 4))
    plan = MemoryPlan(16, {"a": 0, "b": 8, "c": 0}, buffers)
    assert check_overlap(plan) == [("a", "b"), ("b", "c")]


def test_dump_lists_buffers_by_offset() -> None:
    text = dump(plan_memory([Buffer("first", 8, 0, 1), Buffer("second", 24, 1, 2)]))
    assert text.splitlines()[0] == "arena 32 bytes"
    assert text.splitlines()[2].split() == ["0", "24", "1..2", "second"]
    assert text.splitlines()[3].split() == ["24", "8", "0..1", "first"]
