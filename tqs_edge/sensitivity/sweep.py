"""All tasks of a sweep: one after the other or on any executor, and again after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tqs_edge.sensitivity.stored_results import (
    load_result,
    save_result,
    sweep_key,
    task_key,
)
from tqs_edge.sensitivity.tasks import Clean, Sweep, Task, TaskResult, run_task

Tell = Callable[[int, int], None]


class Executor(Protocol):
    """What is asked of concurrent.futures executors and of those that look like them."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]: ...


@dataclass(frozen=True, eq=False)
class Store:
    """Where results are kept, and the key of the sweep that they belong to."""

    folder: Path
    key: str


def open_store(sweep: Sweep, folder: Path) -> Store:
    """The results of this very sweep in `folder`; those of others there are left alone."""
    return Store(folder, sweep_key(sweep))


def run_tasks(
    sweep: Sweep,
    tasks: Sequence[Task],
    clean: Clean | None,
    *,
    executor: Executor | None = None,
    store: Store | None = None,
    tell: Tell = lambda done, total: None,
) -> tuple[Clean, list[TaskResult]]:
    """The clean rollouts, of the first task where `clean` is None, and the results in task order.

    Tasks do not depend on the executor, so results are the same bit for bit. What is in `store` is
    not computed again, and what is computed is put there at once. `tell` sees (sites done, all).
    """
    results: dict[int, TaskResult] = {}
    total = sum(len(task.sites) for task in tasks)

    def keep(numbers: Sequence[int], clean: Clean | None) -> None:
        for number, result in _run(sweep, tasks, numbers, clean, executor, store):
            results[number] = result
            tell(sum(len(tasks[i].sites) for i in results), total)

    if clean is None:
        keep([0], None)
        clean = results[0].clean
        assert clean is not None
    keep([i for i in range(len(tasks)) if i not in results], clean)
    return clean, [results[number] for number in range(len(tasks))]


def _run(
    sweep: Sweep,
    tasks: Sequence[Task],
    numbers: Sequence[int],
    clean: Clean | None,
    executor: Executor | None,
    store: Store | None,
) -> Iterator[tuple[int, TaskResult]]:
    """(number, result) as they come, those in store first."""
    if store is None:
        yield from _computed(sweep, tasks, numbers, clean, executor)
        return
    keys = {i: task_key(store.key, tasks[i]) for i in numbers}
    known = {i: load_result(store.folder, keys[i], sweep, tasks[i]) for i in numbers}
    yield from ((i, result) for i, result in known.items() if result is not None)
    missing = [i for i in numbers if known[i] is None]
    for i, result in _computed(sweep, tasks, missing, clean, executor):
        save_result(store.folder, keys[i], result)
        yield i, result


def _computed(
    sweep: Sweep,
    tasks: Sequence[Task],
    numbers: Sequence[int],
    clean: Clean | None,
    executor: Executor | None,
) -> Iterator[tuple[int, TaskResult]]:
    if executor is None:
        for i in numbers:
            yield i, run_task(sweep, tasks[i], clean)
        return
    futures = {executor.submit(run_task, sweep, tasks[i], clean): i for i in numbers}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        for future in futures:
            future.cancel()
