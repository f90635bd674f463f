"""ExportedProgram -> one that calls the operations of the graph only, where it can be."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch.export import ExportedProgram, default_decompositions
from torch.export.graph_signature import (
    ExportGraphSignature,
    InputKind,
    InputSpec,
    TensorArgument,
)

from tqs_edge.errors import InputError, UnsupportedOp
from tqs_edge.frontend.aten.choices import CONDITION_READERS
from tqs_edge.frontend.aten.comparisons import READ_AS_NUMBERS, as_number
from tqs_edge.frontend.aten.emitter import Emitter
from tqs_edge.frontend.aten.pairs import each_part, is_complex, is_left_complex
from tqs_edge.frontend.aten.registry import COMPLEX_HANDLERS, HANDLERS, ON_EACH_PART
from tqs_edge.frontend.aten.values import Condition, Constant, Pair, Value, derived_path
from tqs_edge.frontend.obstacles import is_data_sized, layer_of, name_of
from tqs_edge.frontend.quiet_torch import quiet_torch

# Operations with a shorter way to the graph than torch's own decomposition of them.
KEPT_WHOLE = (
    "silu mish softplus hardswish hardsigmoid hardtanh log_sigmoid celu selu glu "
    "scaled_dot_product_attention replication_pad1d reflection_pad1d pad avg_pool1d max_pool1d "
    "adaptive_avg_pool1d adaptive_max_pool1d unfold upsample_linear1d upsample_nearest1d roll "
    "addcmul lerp bilinear nan_to_num "
    "mv dot prelu _prelu_kernel select_scatter logsumexp logaddexp logcumsumexp cummax prod "
    "_upsample_nearest_exact1d upsample_bilinear2d upsample_bicubic2d upsample_nearest2d "
    "_upsample_nearest_exact2d"
).split()


STORED = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def rewrite_step(program: ExportedProgram) -> ExportedProgram:
    """The program in operations of the graph; what cannot be expressed in them stays as it is.

    Everything that depends on parameters and literals only is computed here. Constants are
    parameters of the new program under the paths of what they were made from.
    """
    _drop_unread(program)
    try:
        with quiet_torch():
            program = program.run_decompositions(_decompositions())
    except Exception as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise InputError(
            f"torch cannot decompose the exported step: {reason}; write the part without vmap, "
            "autograd and tensor subclasses"
        ) from error
    walk = _Walk(program)
    for node in program.graph.nodes:
        walk.visit(node)
    return walk.program()


def _drop_unread(program: ExportedProgram) -> None:
    """Removes calls and constants that nothing reads: torch fails to decompose some of vmap's."""
    for node in reversed(program.graph.nodes):
        operation = node.target
        if isinstance(operation, torch._ops.OpOverload) and not operation._schema.is_mutable:
            if not node.users and operation._schema.returns:
                program.graph.erase_node(node)
    specs = program.graph_signature.input_specs
    constants = {s.arg.name: s for s in specs if s.kind is InputKind.CONSTANT_TENSOR}
    for node in program.graph.find_nodes(op="placeholder"):
        if node.name in constants and not node.users:
            specs.remove(constants[node.name])
            program.graph.erase_node(node)


def _decompositions() -> dict[Any, Any]:
    table: Any = default_decompositions()
    for name in KEPT_WHOLE:
        packet = getattr(torch.ops.aten, name)
        for overload in packet.overloads():
            table.pop(getattr(packet, overload), None)
    return cast(dict[Any, Any], table)


class _Walk:
    """Visits the old nodes in order and holds the new value of each."""

    def __init__(self, program: ExportedProgram) -> None:
        self.old = program
        self.specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
        self.values: dict[torch.fx.Node, Any] = {}
        example = next(iter(program.graph.find_nodes(op="placeholder"))).meta["val"]
        self.emitter = Emitter(example)
        self.inputs: list[InputSpec] = []

    def visit(self, node: torch.fx.Node) -> None:
        if node.op == "placeholder":
            self.values[node] = self.placeholder(node)
        elif node.op == "call_function":
            if is_data_sized(node):
                raise UnsupportedOp(layer_of(node), name_of(node), "use tensors of fixed sizes")
            self.emitter.meta = {
                key: node.meta[key] for key in ("nn_module_stack",) if key in node.meta
            }
            self.values[node] = self.rewritten(node)

    def placeholder(self, node: torch.fx.Node) -> Value:
        spec = self.specs[node.name]
        if spec.kind in STORED:
            stored = {**self.old.state_dict, **self.old.constants}
            return Constant(stored[spec.target].detach().resolve_conj(), str(spec.target))
        if spec.kind is not InputKind.USER_INPUT:
            raise _with_effects(node)
        graph = self.emitter.graph
        first = next((n for n in graph.nodes if n.op != "placeholder"), None)
        with graph.inserting_before(first) if first else graph.inserting_after():
            new = graph.create_node("placeholder", str(node.target))
        new.name = node.name  # as it is in the signature, even where it is a word of Python
        new.meta = dict(node.meta)
        self.inputs.append(spec)
        return new

    def rewritten(self, node: torch.fx.Node) -> Any:
        numbers = node.target in READ_AS_NUMBERS

        def read(source: torch.fx.Node) -> Any:
            value = self.values[source]
            is_condition = isinstance(value, Condition)
            return as_number(self.emitter, value) if numbers and is_condition else value

        args: Any = torch.fx.map_arg(node.args, read)
        kwargs: Any = torch.fx.map_arg(node.kwargs, read)
        if node.target is operator.getitem:
            return args[0][args[1]] if isinstance(args[0], list | tuple) else self.kept(node)
        sources = [read(source) for source in node.all_input_nodes]
        if all(isinstance(source, Constant) for source in sources):
            return _evaluated(node, args, kwargs, sources)
        handler = self.handler(node, [*args, *kwargs.values()])
        reads_conditions = node.target in CONDITION_READERS
        if handler and all(_is_known(source, reads_conditions) for source in sources):
            result = handler(self.emitter, node, *args, **kwargs)
            if result is not None:
                return result
        return self.kept(node)

    def handler(self, node: torch.fx.Node, args: list[Any]) -> Callable[..., Any] | None:
        """What rewrites a node with these arguments, None for nothing."""
        own: Callable[..., Any] | None = HANDLERS.get(node.target)
        if is_left_complex(args):
            return None
        if not is_complex(args):
            return own
        if own and node.target in ON_EACH_PART and node.target not in COMPLEX_HANDLERS:
            return each_part(own)
        return COMPLEX_HANDLERS.get(node.target)

    def kept(self, node: torch.fx.Node) -> torch.fx.Node:
        """The node as it is: an obstacle that is reported later."""

        def placed(source: torch.fx.Node) -> Any:
            value = self.values[source]
            if isinstance(value, Condition):
                return self.kept(value.node)
            if isinstance(value, Pair):
                return self.joined(value)
            return self.emitter.placed(value) if isinstance(value, Constant) else value

        new = self.emitter.graph.node_copy(node, placed)
        new.meta = dict(node.meta)
        return new

    def joined(self, value: Pair) -> torch.fx.Node:
        """A complex tensor as such, for an operation that is an obstacle or for an output."""
        imag = (
            value.imag
            if value.imag is not None
            else Constant(torch.zeros(value.shape), "complex.zeros")
        )
        return self.emitter.call(torch.ops.aten.complex.default, value.real, imag)

    def program(self) -> ExportedProgram:
        """The new program, without what nothing reads."""
        graph, emitter = self.emitter.graph, self.emitter
        outputs = self.old.graph.output_node()
        results: Any = torch.fx.map_arg(outputs.args[0], self.result)
        new_output = graph.output(results)
        new_output.meta = dict(outputs.meta)
        for node in reversed(list(graph.nodes)):
            unread = node.op == "call_function" or node in emitter.constants
            if unread and not node.users:
                graph.erase_node(node)
        constants = emitter.read_constants()
        parameters = [
            InputSpec(InputKind.PARAMETER, TensorArgument(node.name), path)
            for node, (path, _) in constants.items()
        ]
        order = {node.name: i for i, node in enumerate(graph.find_nodes(op="placeholder"))}
        specs = sorted([*parameters, *self.inputs], key=lambda spec: order[spec.arg.name])
        output_specs = [
            replace(spec, arg=TensorArgument(result.name))
            for spec, result in zip(self.old.graph_signature.output_specs, results, strict=True)
        ]
        graph.lint()
        return ExportedProgram(
            root=torch.nn.Module(),
            graph=graph,
            graph_signature=ExportGraphSignature(specs, output_specs),
            state_dict={
                path: torch.nn.Parameter(value, requires_grad=False)
                for path, value in constants.values()
            },
            range_constraints=self.old.range_constraints,
            module_call_graph=self.old.module_call_graph,
            constants={},
            verifiers=self.old.verifiers,
        )

    def result(self, node: torch.fx.Node) -> torch.fx.Node:
        """What the step returns in place of `node`: a tensor of its shape."""
        value = self.values[node]
        if isinstance(value, Condition):
            return self.kept(node)
        if isinstance(value, Pair):
            return self.joined(value)
        return self.emitter.placed(value) if isinstance(value, Constant) else value


def _with_effects(token: torch.fx.Node) -> UnsupportedOp:
    """The obstacle of an operation that does more than compute its result."""
    user = next(iter(token.users), token)
    operation = user.args[1] if len(user.args) > 1 else user.target
    name = str(operation).removeprefix("aten.").split(".")[0]
    return UnsupportedOp(
        layer_of(user), name, "leave out checks and solvers, or compute by products"
    )


def _is_known(value: Any, reads_conditions: bool) -> bool:
    """Whether a handler can take the value; a comparison only where it `reads_conditions`."""
    if isinstance(value, Condition):
        return reads_conditions
    return isinstance(value, Constant | Pair | torch.fx.Node) or type(value) is tuple


def _evaluated(node: torch.fx.Node, args: Any, kwargs: Any, sources: list[Constant]) -> Any:
    """The value of a node that depends on constants only."""

    def value(part: Any) -> Any:
        if isinstance(part, list | tuple):
            return [value(p) for p in part]
        return part.value if isinstance(part, Constant) else part

    with torch.no_grad():
        result = node.target(  # type: ignore[operator]
            *(value(arg) for arg in args), **{key: value(arg) for key, arg in kwargs.items()}
        )
    if result is None:
        return None  # an assertion, which held
    name = str(node.target).split(".")[1]
    path = derived_path([source.path for source in sources], layer_of(node), name)
    if name in ("t", "permute", "transpose") and sources[0].value.ndim == 2:
        return sources[0].transposed() if result.shape == sources[0].value.T.shape else sources[0]
    if isinstance(result, torch.Tensor):
        return Constant(result.resolve_conj(), path)
    return tuple(
        Constant(part, path) if isinstance(part, torch.Tensor) else part for part in result
    )
