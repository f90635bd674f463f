"""ExportedProgram -> one with core ATen operations only, every tensor a named parameter."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import replace

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ExportGraphSignature, InputKind

from tqs_edge.errors import InputError


def decompose(program: ExportedProgram) -> ExportedProgram:
    """The program in core ATen operations, with positive indices and without `alpha` arguments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's decomposition tables warn about their own APIs
        program = program.run_decompositions()
    for node in list(program.graph.nodes):
        if node.op == "call_function":
            _make_indices_positive(node)
            _expand_alpha(program.graph, node)
    _transpose_direct_factors(program)
    program.graph_module.recompile()
    return program


def _make_indices_positive(node: torch.fx.Node) -> None:
    """x.select(axis, -1) and x[-k:] with the indices counted from the front, in place.

    TVM 0.27 imports a negative select as an out-of-bounds read without an error.
    """
    aten = torch.ops.aten
    if node.target not in (aten.select.int, aten.slice.Tensor):
        return
    source = node.args[0]
    assert isinstance(source, torch.fx.Node)
    shape = source.meta["val"].shape
    axis = node.args[1] if len(node.args) > 1 else 0
    assert isinstance(axis, int)
    axis, length = axis % len(shape), shape[axis]
    bounds = list(node.args[2:])
    for position, bound in enumerate(bounds[:2]):
        if isinstance(bound, int):
            bounds[position] = min(max(bound + length if bound < 0 else bound, 0), length)
    node.args = (source, axis, *bounds)


def _expand_alpha(graph: torch.fx.Graph, node: torch.fx.Node) -> None:
    """add(a, b, alpha=k) as add(a, k * b), in place: TVM 0.27 drops `alpha` without an error."""
    aten = torch.ops.aten
    alpha = node.kwargs.get("alpha", 1)
    if node.target not in (aten.add.Tensor, aten.sub.Tensor) or alpha == 1:
        return
    scaled = node.args[1]
    if isinstance(scaled, torch.fx.Node):
        with graph.inserting_before(node):
            product = graph.call_function(aten.mul.Tensor, (scaled, alpha))
        product.meta = dict(scaled.meta)
        node.args = (node.args[0], product)
    else:
        node.args = (node.args[0], scaled * alpha)  # type: ignore[operator]
    node.kwargs = {k: v for k, v in node.kwargs.items() if k != "alpha"}


def _transpose_direct_factors(program: ExportedProgram) -> None:
    """x @ W as x @ permute(W.T), in place: the parameter W becomes "W.T", (rows, depth)."""
    aten = torch.ops.aten
    specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.find_nodes(op="placeholder"):
        spec = specs[node.name]
        products = [
            user.target in (aten.mm.default, aten.addmm.default) and user.args[-1] is node
            for user in node.users
        ]
        if spec.kind is InputKind.USER_INPUT or not products or not all(products):
            continue
        source = program.state_dict if spec.target in program.state_dict else program.constants
        value = source[spec.target].detach().t().contiguous()
        source[f"{spec.target}.T"] = value
        spec.target = f"{spec.target}.T"
        users = list(node.users)
        node.meta["val"] = node.meta["val"].t().contiguous()
        with program.graph.inserting_after(node):
            transposed = program.graph.call_function(aten.permute.default, (node, [1, 0]))
        transposed.meta = {"val": node.meta["val"].t()}
        for user in users:
            user.replace_input_with(node, transposed)


def constants_by_placeholder(program: ExportedProgram) -> dict[str, tuple[str, torch.Tensor]]:
    """Placeholder name -> (parameter path, value) of every parameter, buffer and constant."""
    values = {**dict(program.state_dict), **dict(program.constants)}
    return {
        spec.arg.name: (spec.target, values[spec.target].detach())
        for spec in program.graph_signature.input_specs
        if spec.kind is not InputKind.USER_INPUT and spec.target in values
    }


def reject_bad_constants(program: ExportedProgram, stored: Collection[str] | None = None) -> None:
    """Raises InputError for parameters that are not finite float32 tensors.

    stored: paths of the model's own tensors, if others were made in its forward().
    """
    for path, value in constants_by_placeholder(program).values():
        if stored is not None and path not in stored and torch.isinf(value).any():
            raise InputError(
                f"forward() makes infinite values ('{path}') that no softmax reads; take finite "
                "ones that its other values can reach"
            )
        reject_bad_values(path, value)


def reject_bad_values(path: str, value: torch.Tensor) -> None:
    """Raises InputError for a parameter of another float type, or with NaN or infinite values."""
    if value.is_floating_point() and value.dtype != torch.float32:
        raise InputError(
            f"parameter '{path}' is {value.dtype}, want torch.float32; "
            "convert with model.float() before exporting"
        )
    if value.is_floating_point() and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise InputError(
            f"parameter '{path}' has {bad} NaN or infinite values; load a finished checkpoint"
        )


def promote_constants(program: ExportedProgram) -> ExportedProgram:
    """The program with buffers and tensor constants as parameters.

    TVM's importer inlines buffers and so loses their names; a parameter keeps its path.
    """
    named = constants_by_placeholder(program)
    specs = [
        replace(spec, kind=InputKind.PARAMETER, persistent=None) if spec.arg.name in named else spec
        for spec in program.graph_signature.input_specs
    ]
    state: dict[str, torch.Tensor | torch.nn.Parameter] = {
        path: torch.nn.Parameter(value, requires_grad=False) for path, value in named.values()
    }
    return ExportedProgram(
        root=program.graph_module,
        graph=program.graph,
        graph_signature=ExportGraphSignature(specs, program.graph_signature.output_specs),
        state_dict=state,
        range_constraints=program.range_constraints,
        module_call_graph=program.module_call_graph,
        constants={},
        verifiers=program.verifiers,
    )
