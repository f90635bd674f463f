"""Torch on one thread: the same sums in the same order on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes on one thread, so that results do not depend on the number of cores.

    It is also no slower: rollouts are many small products, and threads that spin between them
    stall each other on a busy machine.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
