"""The operations of an exported step that have no integer lowering, and what works instead."""

from __future__ import annotations

import operator

import torch
from torch.export import ExportedProgram

from tqs_edge.errors import UnsupportedOp

NEAREST = (
    "use linear layers, convolutions over time, attention, normalisations, activations, "
    "arithmetic, slices and reshapes of float tensors"
)
# What the graph has, as `aten.rewrite_step` spells it; all else is what it had to leave.
SUPPORTED = frozenset(
    "dense.default unfold.default function.default normalize.default deviation.default "
    "choose.default "
    "add.Tensor sub.Tensor mul.Tensor div.Tensor maximum.default minimum.default clamp.default "
    "tanh.default sigmoid.default relu.default matmul.default softmax.int mean.dim "
    "sum.dim_IntList amax.default permute.default reshape.default slice.Tensor cat.default".split()
)
# What the rewrite leaves only next to an obstacle that is named by itself.
BESIDE_OTHERS = frozenset({"complex.default"})
ALTERNATIVES = {
    "embedding": "pass the embedded vector as an exogenous input",
    "where": "choose by a constant mask, or by one comparison with a number",
    "convolution": "use nn.Conv1d; for nn.ConvTranspose1d an interpolation and nn.Conv1d",
    "max_pool2d_with_indices": "use nn.MaxPool1d",
    "topk": "use softmax weights over all entries",
    "sort": "use softmax weights over all entries",
    "argmax": "use softmax weights over all entries",
    "floor": "leave the value as it is, or use a sigmoid gate",
    "round": "leave the value as it is: the integers round by themselves",
    "sign": "use tanh or clamp with a steep slope",
    "atan2": "return sine and cosine of the angle",
    "pow": "use a whole exponent up to 16, or exp and log",
    "cumprod": "use exp of a sum of logarithms",
    "scaled_dot_product_attention": "use constant masks and equal numbers of heads",
    "mm": "make one factor a constant, or both of the same rank",
    "gather": "use indices that are known when the model is exported",
    "index": "use indices along one axis that are known when the model is exported",
    "index_put": "write by slices, or use torch.cat",
    "index_select": "use indices that are known when the model is exported",
    "grid_sampler_2d": "interpolate to fixed positions with a constant matrix",
    "upsample_bilinear2d": "interpolate one axis at a time, by a constant matrix",
    "rand": "make the step deterministic: pass the noise as an exogenous input",
    "randn": "make the step deterministic: pass the noise as an exogenous input",
    "randn_like": "make the step deterministic: pass the noise as an exogenous input",
    "rand_like": "make the step deterministic: pass the noise as an exogenous input",
    "bernoulli": "make the step deterministic: call model.eval() before the export",
    **{
        name: "multiply by a constant matrix of sines and cosines, real and imaginary part apart"
        for name in ("_fft_r2c", "_fft_c2r", "_fft_c2c", "complex", "view_as_complex")
    },
    **{
        name: "compare only to choose between two tensors: torch.where(x > 0, a, b)"
        for name in ("gt", "lt", "ge", "le", "eq", "ne")
    },
}


def find_obstacles(program: ExportedProgram) -> list[UnsupportedOp]:
    """All operations of a decomposed program that cannot be lowered, in execution order."""
    obstacles = []
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        name = _name(node)
        if name in BESIDE_OTHERS or any(map(_is_left_complex, node.all_input_nodes)):
            continue
        short = name_of(node)
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and not value.numel() and node.users:
            obstacles.append(UnsupportedOp(layer_of(node), short, "use sizes above zero"))
        elif name not in SUPPORTED or _is_left_complex(node):
            obstacles.append(UnsupportedOp(layer_of(node), short, ALTERNATIVES.get(short, NEAREST)))
    return obstacles


def _is_left_complex(node: torch.fx.Node) -> bool:
    """Whether a node is a complex operation that was left, which is listed by itself."""
    value = node.meta.get("val")
    complex_value = isinstance(value, torch.Tensor) and value.is_complex()
    return complex_value and node.op == "call_function" and _name(node) not in BESIDE_OTHERS


def layer_of(node: torch.fx.Node) -> str:
    """Path of the module that a node came from ("cell"), "forward" at the top level."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return paths[-1] if paths and paths[-1] else "forward"


def is_data_sized(node: torch.fx.Node) -> bool:
    """Whether how many numbers a node makes depends on the values of its inputs, as nonzero's."""
    values = node.meta.get("val")
    tensors = values if isinstance(values, list | tuple) else [values]
    return any(
        isinstance(extent, torch.SymInt)
        for tensor in tensors
        if isinstance(tensor, torch.Tensor)
        for extent in tensor.shape
    )


def name_of(node: torch.fx.Node) -> str:
    """The operation that a node calls, without its overload ("nonzero")."""
    return _name(node).split(".")[0]


def _name(node: torch.fx.Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return f"{node.target.overloadpacket.__name__}.{node.target._overloadname}"
    return str(node.target)
