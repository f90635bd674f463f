"""Checks the graph description of a .pt2 archive before torch turns it into Python code.

torch evaluates symbolic expressions and guards, imports modules named by pytree contexts, and
writes node names into generated source. What is not plain data is refused or dropped here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqs_edge.errors import InputError, UnsafeModelFile

TARGETS = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.getitem", re.ASCII)
DOTTED_NAME = re.compile(r"[\w.]*", re.ASCII)
NAME_KEYS = frozenset(
    ("name", "as_name", "parameter_name", "buffer_name", "tensor_constant_name", "fqn")
)
EXPRESSION_KEYS = frozenset(("as_expr", "expr_str"))
CONTAINERS = frozenset((None, "builtins.tuple", "builtins.list", "builtins.dict"))


def checked_graph(path: Path, graph: Any) -> Any:
    """`graph` (parsed models/model.json) without metadata and guards.

    Raises InputError for dynamic shapes and UnsafeModelFile for operations outside torch.ops.aten,
    names that are not identifiers and containers that are not tuples, lists or dictionaries.
    """
    if not isinstance(graph, dict) or "graph_module" not in graph:
        raise InputError(f"'{path}' is damaged: its graph is empty; export it again")
    _check_strings(path, graph)
    if graph.get("range_constraints"):
        raise InputError(f"'{path}' has dynamic shapes; export without dynamic_shapes")
    graph["guards_code"] = []
    return graph


def _check_strings(path: Path, graph: dict[str, Any]) -> None:
    for key, value, owner in _items(graph):
        if key in EXPRESSION_KEYS:
            raise InputError(f"'{path}' has dynamic shapes; export without dynamic_shapes")
        if key == "target" and isinstance(value, str) and not TARGETS.fullmatch(value):
            raise UnsafeModelFile(
                f"'{path}' calls '{value}'; only operations of torch.ops.aten are opened"
            )
        if key in NAME_KEYS and isinstance(value, str) and not DOTTED_NAME.fullmatch(value):
            raise UnsafeModelFile(f"'{path}' has a name that is not an identifier: {value!r}")
        if key == "forward_arg_names" and not all(str(n).isidentifier() for n in value or ()):
            raise UnsafeModelFile(f"'{path}' has argument names that are not identifiers: {value}")
        if key in ("in_spec", "out_spec") and isinstance(value, str):
            _check_treespec(path, json.loads(value))
        if key == "metadata" and isinstance(value, dict):
            modules = value.get("nn_module_stack")
            owner[key] = {"nn_module_stack": modules} if isinstance(modules, str) else {}


def _items(value: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """(key, value, owning dictionary) of every entry at any depth."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            for key, child in list(current.items()):
                yield key, child, current
            stack.extend(child for child in current.values() if isinstance(child, dict | list))
        elif isinstance(current, list):
            stack.extend(child for child in current if isinstance(child, dict | list))


def _check_treespec(path: Path, spec: Any) -> None:
    """Refuses containers whose context torch would import or call."""
    for key, value, _ in _items(spec):
        if key == "type" and value not in CONTAINERS:
            raise UnsafeModelFile(
                f"'{path}' passes inputs in a '{value}'; use tensors, tuples and lists"
            )
        if key == "context" and isinstance(value, str) and "__enum__" in value:
            raise UnsafeModelFile(f"'{path}' names dictionary keys by code; use strings")
