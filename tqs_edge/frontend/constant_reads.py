"""Python that reads numbers out of tensors, for export where they depend on no input.

torch.export sees no values, so `if t[1] > t[0]` over time points that forward() makes itself
stops it. A run on real tensors shows which numbers Python reads, and whether they could depend
on an input; where none can, the export repeats what was read.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from tqs_edge.errors import InputError

READS = frozenset(
    {
        *(getattr(torch.Tensor, f"__{n}__") for n in ("bool", "int", "float", "index")),
        *(torch.Tensor.item, torch.Tensor.tolist, torch.is_nonzero, torch.Tensor.is_nonzero),
        *(torch.equal, torch.Tensor.equal, torch.allclose, torch.Tensor.allclose),
    }
)


class _Dependence(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Knows which tensors depend on the inputs: what reads or shares memory with one does."""

    def __init__(self, inputs: list[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held = list(inputs)  # so that no address is used twice
        self.places = {_place(tensor) for tensor in inputs}

    def depends(self, tree: Any) -> bool:
        return any(_place(tensor) in self.places for tensor in _tensors(tree))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.held += (made := _tensors(result))
        if self.depends((args, kwargs)):
            written = args[0] if func._schema.is_mutable and args else None
            self.places |= {_place(tensor) for tensor in [*made, *_tensors(written)]}
        return result


class _Recording(TorchFunctionMode):
    """Notes every number that Python reads; InputError for one that depends on an input."""

    def __init__(self, dependence: _Dependence) -> None:
        super().__init__()
        self.dependence = dependence
        self.read: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in READS:
            if self.dependence.depends((args, kwargs)):
                raise InputError(
                    f"forward() decides in Python by values of its inputs{_where()}; use "
                    "torch.where, and of solvers one with fixed steps"
                )
            self.read.append(result)
        return result


class _Replaying(TorchFunctionMode):
    """Answers every read with what was noted."""

    def __init__(self, read: list[Any]) -> None:
        super().__init__()
        self.answers = iter(read)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS:
            return next(self.answers)
        return func(*args, **(kwargs or {}))


@contextmanager
def repeated_reads(module: torch.nn.Module, args: tuple[Any, ...], kwargs: Any) -> Iterator[bool]:
    """Within it, forward() of `module` reads from tensors what a run on real ones read.

    Yields whether it reads anything. Raises InputError where that depends on an input.
    """
    inputs = [tensor.detach().clone() for tensor in _tensors((args, kwargs))]
    copies = iter(inputs)
    copied = pytree.tree_map_only(torch.Tensor, lambda _: next(copies), (args, kwargs))
    with torch.no_grad(), _Dependence(inputs) as dependence, _Recording(dependence) as recording:
        module(*copied[0], **copied[1])
    original = module.forward

    @functools.wraps(original)
    def forward(*arguments: Any, **options: Any) -> Any:
        with _Replaying(recording.read):
            return original(*arguments, **options)

    with _attribute(module, forward):
        yield bool(recording.read)


@contextmanager
def _attribute(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    object.__setattr__(module, "forward", forward)
    try:
        yield
    finally:
        object.__delattr__(module, "forward")


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata  # type: ignore[no-any-return]


def _where() -> str:
    """The line that reads, outside torch and this file."""
    inner = (str(Path(torch.__file__).parent), __file__)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(inner):
            return f" ({Path(frame.filename).name}:{frame.lineno}, '{frame.line}')"
    return ""
