"""Names are what people expect, unique, stable and valid in C."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend import models
from tqs_edge.frontend.load import load_model
from tqs_edge.frontend.name_sites import NameSites, dense_name, identifier
from tqs_edge.graph.reserved_names import is_reserved


@I.ir_module
class Before:
    @R.function
    def main(
        inp: R.Tensor((1, 4), "float32"),
        int: R.Tensor((1, 4), "float32"),
        p_a: R.Tensor((4,), "float32"),
    ):
        R.func_attr({"num_input": 2, "num_exog": 0, "constants": ["add"]})
        with R.dataflow():
            lv = R.add(inp, int)
            lv1 = R.add(lv, p_a)
            lv2 = R.nn.relu(lv1)
            lv3 = R.strided_slice(lv2, (1,), (0,), (2,))
            lv4 = R.concat((lv3, lv3), axis=1)
            lv5 = R.multiply(lv4, int)
            gv = (lv5, lv4)
            R.output(gv)
        return gv


def names_of(mod) -> list[str]:
    main = mod["main"]
    return [p.name for p in main.params] + [b.var.name for b in main.body.blocks[0].bindings]


def test_names_say_role_operator_and_bounds():
    assert names_of(NameSites()(Before)) == [
        *("x", "int_2", "add_4"),
        *("add_2", "add_3", "relu", "relu_0_2", "int_2_next", "y", "results"),
    ]


def test_renaming_changes_nothing_else_and_is_idempotent():
    once = NameSites()(Before)
    assert_structural_equal(once, Before, map_free_vars=True)
    assert names_of(NameSites()(once))[3:] == names_of(once)[3:]


@pytest.mark.parametrize("model", ["GRUCell", "two-layer GRU", "LSTMCell", "window GRU"])
def test_names_are_unique_c_identifiers(model):
    names = names_of(models.loaded(model).module)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]\w*", n) and not is_reserved(n) for n in names)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("head.weight", "head"),
        ("cell.weight_ih", "cell_ih"),
        ("gru.weight_hh_l0", "gru_hh_l0"),
        ("net.0.weight", "net_0"),
        ("weight", "weight"),
        ("A.T", "A"),
        ("0.weight", "n0"),
    ],
)
def test_dense_is_named_after_its_weight(path, name):
    assert dense_name(path) == name


@pytest.mark.parametrize(
    ("text", "name"), [("a.b-c", "a_b_c"), ("1x", "n1x"), ("", "value"), ("äx", "x")]
)
def test_identifier_is_valid_in_c(text, name):
    assert identifier(text) == name


def test_no_tensor_is_called_as_a_weight_is():
    class Scan(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Parameter(torch.ones(1, 3))

        def forward(self, x, h):
            h = torch.tanh(nn.functional.linear(h, self.gate) * x + h)
            return h[:, :1], h

    inputs = (torch.zeros(1, 1), torch.zeros(1, 3))
    graph = load_model(Scan().eval(), example_inputs=inputs).model.graph
    (dense,) = graph.dense_nodes()
    assert dense.weight == "gate" and not set(graph.shapes) & set(graph.constants)
