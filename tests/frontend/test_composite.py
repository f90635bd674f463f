"""The bodies of composites compute in TVM what the graph's evaluator computes in torch."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
import tvm
from tvm import relax

from tqs_edge.frontend.aten.step_ops import deviation, normalize, unfold
from tqs_edge.frontend.composite import (
    BODIES,
    deviation_function,
    normalize_function,
    scalar_function,
    unfold_function,
)
from tqs_edge.graph.functions import FUNCTIONS

X = torch.linspace(-6, 6, 36).reshape(1, 9, 4)
TYPE = relax.TensorType((1, 9, 4), "float32")
SIZES = [(3, 1, 1), (2, 3, 1), (3, 2, 2), (1, 1, 4), (9, 1, 1)]


@functools.cache
def results() -> dict[str, np.ndarray]:
    """Every composite of X, all compiled at once; functions of positive numbers of exp(X)."""
    made = {name: scalar_function(TYPE, name) for name in BODIES}
    made |= {str(sizes): unfold_function(TYPE, *sizes) for sizes in SIZES}
    made |= {"normalize": normalize_function(TYPE, 0.5), "deviation": deviation_function(TYPE, 0.5)}
    builder = relax.BlockBuilder()
    x, positive = relax.Var("x", TYPE), relax.Var("positive", TYPE)
    with builder.function("main", [x, positive]):
        with builder.dataflow():
            outputs = []
            for key, function in made.items():
                source = positive if key in FUNCTIONS and FUNCTIONS[key].low == 0 else x
                outputs.append(builder.emit(relax.Call(builder.add_func(function, "f"), [source])))
            result = builder.emit_output(relax.Tuple(outputs))
        builder.emit_func_output(result)
    machine = relax.VirtualMachine(tvm.compile(builder.get(), target="llvm"), tvm.cpu())
    arrays = (tvm.runtime.tensor(value.numpy()) for value in (X, X.exp()))
    return dict(zip(made, (out.numpy() for out in machine["main"](*arrays)), strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_of_the_graph_has_a_body(name):
    x = X.exp() if FUNCTIONS[name].low == 0 else X
    np.testing.assert_allclose(
        results()[name], FUNCTIONS[name].apply(x).numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("sizes", SIZES)
def test_unfold_has_a_body(sizes):
    np.testing.assert_array_equal(results()[str(sizes)], unfold(X, *sizes).numpy())


def test_normalisation_and_deviation_have_bodies():
    np.testing.assert_allclose(results()["normalize"], normalize(X, 0.5).numpy(), atol=1e-5)
    np.testing.assert_allclose(results()["deviation"], deviation(X, 0.5).numpy(), rtol=1e-5)
