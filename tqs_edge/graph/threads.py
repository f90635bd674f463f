"""Torch, NumPy and SciPy on one thread: the same sums in the same order on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, sums are computed on one thread: results do not depend on the number of cores.

    It is also faster: rollouts and fits are many small products and factorisations, and threads
    that spin between them stall each other on a busy machine.
    """
    import scipy.linalg  # noqa: F401 - its BLAS is a library of its own, limited only once loaded
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
