"""The operations of an exported step that have no integer lowering, and what works instead."""

from __future__ import annotations

import operator

import torch
from torch.export import ExportedProgram

from tqs_edge.errors import UnsupportedOp

NEAREST = "use linear layers, tanh, sigmoid, relu, +, -, *, slices, concatenation and reshapes"
SUPPORTED = frozenset(
    "dense.default unfold.default function.default normalize.default deviation.default "
    "add.Tensor sub.Tensor mul.Tensor div.Tensor maximum.default minimum.default clamp.default "
    "tanh.default sigmoid.default relu.default matmul.default softmax.int mean.dim "
    "sum.dim_IntList amax.default permute.default reshape.default slice.Tensor cat.default".split()
)
ALTERNATIVES = {
    "gelu": "use relu or tanh as the activation",
    "elu": "use relu or tanh as the activation",
    "silu": "use x * sigmoid(x)",
    "leaky_relu": "use relu",
    "hardtanh": "use tanh, or relu for a lower limit of 0",
    "clamp": "use tanh, or relu for a lower limit of 0",
    "softmax": "use sigmoid gates",
    "_softmax": "use sigmoid gates",
    "native_layer_norm": "train without LayerNorm or fold it into the next linear layer",
    "_native_batch_norm_legit_no_training": "fold BatchNorm into the linear layer before it",
    "convolution": "use a linear layer over the flattened window",
    "bmm": "use linear layers: products of two activations of rank 3 have no kernel",
    "exp": "use sigmoid or tanh",
    "sin": "pass sin and cos of the phase as exogenous inputs",
    "cos": "pass sin and cos of the phase as exogenous inputs",
    "pow": "use x * x",
    "embedding": "pass the embedded vector as an exogenous input",
}


def find_obstacles(program: ExportedProgram) -> list[UnsupportedOp]:
    """All operations of a decomposed program that cannot be lowered, in execution order."""
    obstacles = []
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        name = _name(node)
        if name not in SUPPORTED:
            short = name.split(".")[0]
            obstacles.append(UnsupportedOp(layer_of(node), short, ALTERNATIVES.get(short, NEAREST)))
        elif name in ("mm.default", "addmm.default") and not _by_a_weight(node, program):
            obstacles.append(
                UnsupportedOp(layer_of(node), "matmul", "multiply by one parameter: x @ weight.T")
            )
        elif name == "div.Tensor" and isinstance(node.args[1], torch.fx.Node):
            if not _is_constant(node.args[1], program):
                obstacles.append(
                    UnsupportedOp(layer_of(node), "div", "divide by a constant, not by a tensor")
                )
    return obstacles


def layer_of(node: torch.fx.Node) -> str:
    """Path of the module that a node came from ("cell"), "forward" at the top level."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return paths[-1] if paths and paths[-1] else "forward"


def _name(node: torch.fx.Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return f"{node.target.overloadpacket.__name__}.{node.target._overloadname}"
    return str(node.target)


def _is_constant(node: torch.fx.Node, program: ExportedProgram) -> bool:
    """Whether a value depends on parameters, buffers and literals only."""
    if node.op == "placeholder":
        return node.name not in program.graph_signature.user_inputs
    return all(_is_constant(source, program) for source in node.all_input_nodes)


def _by_a_weight(node: torch.fx.Node, program: ExportedProgram) -> bool:
    """Whether the right factor is a parameter or its transpose, which a dense kernel can hold."""
    factor = node.args[-1]
    assert isinstance(factor, torch.fx.Node)
    if factor.target in (torch.ops.aten.permute.default, torch.ops.aten.t.default):
        factor = factor.all_input_nodes[0]
    return factor.op == "placeholder" and _is_constant(factor, program)
