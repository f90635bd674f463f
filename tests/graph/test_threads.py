"""One thread for all sums, and what was before afterwards."""

from __future__ import annotations

import scipy.linalg  # noqa: F401
import torch
from threadpoolctl import threadpool_info

from tqs_edge.graph.threads import one_thread


def blas_threads() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_torch_numpy_and_scipy_compute_on_one_thread_inside_and_as_before_afterwards() -> None:
    before = torch.get_num_threads(), blas_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
        assert len(blas_threads()) >= 2 and set(blas_threads()) == {1}
    assert (torch.get_num_threads(), blas_threads()) == before
