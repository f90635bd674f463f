"""load_model and check on live modules, exported programs, factories, files and the zoo."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.frontend import models
from tqs_edge.errors import InputError, UnsupportedOp
from tqs_edge.frontend import check, load_model
from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout_model import RolloutForm

FORMS = {
    "GRUCell": RolloutForm.RECURRENT,
    "one-layer GRU": RolloutForm.RECURRENT,
    "two-layer GRU": RolloutForm.RECURRENT,
    "LSTMCell": RolloutForm.RECURRENT,
    "tanh map": RolloutForm.MAP,
    "window MLP": RolloutForm.WINDOWED,
    "window GRU": RolloutForm.WINDOWED,
    "state space": RolloutForm.RECURRENT,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_promised_model_loads_and_passes_the_import_check(name):
    loaded = models.loaded(name)
    assert loaded.model.form is FORMS[name]
    assert loaded.warnings == ()
    bound = {b.var.name for b in loaded.module["main"].body.blocks[0].bindings}
    assert {node.name for node in loaded.model.graph.nodes} == bound - {"results"}


def test_gru_cell_becomes_the_expected_graph():
    module, _ = models.supported()["GRUCell"]
    graph = models.loaded("GRUCell").model.graph
    assert (graph.input, graph.exog, graph.output) == ("x", None, "y")
    assert [(s.name, s.update, s.shape) for s in graph.states] == [("h", "h_next", (1, 4))]
    dense = {n.name: (n.inputs, n.weight, n.bias) for n in graph.dense_nodes()}
    assert dense == {
        "cell_ih": (("x",), "cell.weight_ih", "cell.bias_ih"),
        "cell_hh": (("h",), "cell.weight_hh", "cell.bias_hh"),
        "head": (("h_next",), "head.weight", "head.bias"),
    }
    assert not [n for n in graph.nodes if n.op is Op.RESHAPE]
    np.testing.assert_array_equal(
        graph.constants["cell.weight_hh"], module.cell.weight_hh.detach().numpy()
    )


class _Scalars(nn.Module):
    """Tensors and constants without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("least", torch.tensor(0.4))

    def forward(self, x):
        level = torch.exp(x.mean() * self.least)
        turned = torch.cosine_similarity(x, x.flip(-1), dim=-1)
        chosen = torch.where(level > self.least, level, 0.1)
        return torch.tanh(torch.maximum(x, self.least) * chosen + turned + x.amin() + x.min(1)[0])


def test_tensors_without_axes_get_one():
    graph = load_model(_Scalars(), example_inputs=(torch.randn(1, 3),)).model.graph
    shapes = [*graph.shapes.values(), *(c.shape for c in graph.constants.values())]
    assert (1,) in shapes and () not in shapes


def test_recurrent_layer_keeps_reshapes_only_around_its_state():
    graph = models.loaded("one-layer GRU").model.graph
    reshapes = [n for n in graph.nodes if n.op is Op.RESHAPE]
    assert (reshapes[0].inputs, reshapes[0].shape) == (("h",), (1, 4))
    assert [n.name for n in reshapes[1:]] == ["h_next"]


def test_buffers_keep_their_paths_and_scalars_become_part_of_the_weights():
    module, _ = models.supported()["tanh map"]
    graph = models.loaded("tanh map").model.graph
    assert "mean" in graph.constants and "step_size" not in graph.constants
    assert [node.op for node in graph.nodes] == [Op.SUB, Op.DENSE, Op.TANH, Op.DENSE, Op.ADD]
    for path in ("net.0.weight", "net.2.weight", "net.2.bias"):
        want = 0.5 * module.get_parameter(path).detach().numpy()
        np.testing.assert_allclose(graph.constants[path], want, rtol=1e-6)


def test_untransposed_weight_is_stored_transposed_under_a_new_path():
    module, _ = models.supported()["state space"]
    loaded = models.loaded("state space")
    np.testing.assert_array_equal(loaded.model.graph.constants["B.T"], module.B.detach().numpy().T)
    assert loaded.model.exog == 3 and loaded.model.graph.exog == "exog"


def test_step_takes_exog_second_whatever_the_order_of_forward():
    module, (x, s, exog) = models.supported()["state space"]
    loaded = models.loaded("state space")
    y, s_next = loaded.step(x, exog, s)
    want_y, want_s = module(x, s, exog)
    torch.testing.assert_close(y, want_y.detach())
    torch.testing.assert_close(s_next, want_s.detach())


def test_loading_twice_gives_the_same_graph():
    module, inputs = models.supported()["GRUCell"]
    first = models.loaded("GRUCell").model.graph
    second = load_model(module, example_inputs=inputs).model.graph
    assert first.nodes == second.nodes
    assert list(first.constants) == list(second.constants)


def test_factory_is_imported_and_named():
    loaded = load_model("tests.frontend.models:gru_step")
    assert (loaded.model.name, loaded.model.source) == (
        "gru_step",
        "tests.frontend.models:gru_step",
    )


def test_zoo_model_loads():
    loaded = load_model("zoo:ppg-gru")
    assert (loaded.model.name, loaded.model.features) == ("ppg-gru", 1)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("no-such-model", "name a .pt2 file"),
        ("zoo:no-such-model", "choose one of"),
        ("no_such_package.module:make", "no module named"),
        ("tests.frontend.models:no_such_factory", "has no function 'no_such_factory'"),
        ("tests.frontend.models:failing", "failed: no weights here"),
        ("tests.frontend.models:not_a_model", "want (nn.Module, example_inputs)"),
    ],
)
def test_wrong_source_names_the_fix(source, reason):
    with pytest.raises(InputError, match=r"[^\n]+") as caught:
        load_model(source)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert check(source) == [str(caught.value)]


def test_live_module_needs_example_inputs():
    with pytest.raises(InputError, match="needs example inputs"):
        load_model(models.GruStep().eval())


def test_module_in_training_mode_is_copied_and_warned_about():
    module = models.WindowMlp().train()
    loaded = load_model(module, example_inputs=(torch.randn(1, 5, 2),))
    assert module.training and "training mode" in loaded.warnings[0]


def test_program_with_active_dropout_is_refused():
    program = torch.export.export(models.WindowMlp().train(), (torch.randn(1, 5, 2),))
    with pytest.raises(InputError, match=r"model\.eval\(\)"):
        load_model(program)


def test_check_lists_all_obstacles_and_load_names_the_first():
    module, inputs = models.Unsupported().eval(), (torch.randn(1, 2),)
    obstacles = check(module, example_inputs=inputs)
    assert [line.split("'")[3] for line in obstacles] == ["eq", "where", "sort"]
    with pytest.raises(UnsupportedOp, match=r"layer 'gate'.*\(2 more") as caught:
        load_model(module, example_inputs=inputs)
    assert caught.value.op == "eq"


def test_check_reports_form_values_and_operations_together():
    module = models.Unsupported().eval()
    with torch.no_grad():
        module.first.weight[0, 0] = float("nan")
    obstacles = check(module, example_inputs=(torch.randn(2, 2),))
    assert "export with batch 1" in obstacles[0]
    assert "'first.weight' has 1 NaN" in obstacles[1]
    assert len(obstacles) == 5


def test_check_of_a_good_model_is_empty():
    assert check("tests.frontend.models:gru_step") == []


def test_double_precision_model_is_refused_with_the_fix():
    module, inputs = models.gru_step()
    with pytest.raises(InputError, match=r"float32"):
        load_model(module.double(), example_inputs=tuple(t.double() for t in inputs))


def test_one_tensor_may_be_the_example_of_two_states() -> None:
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTMCell(2, 4), nn.Linear(4, 2)

        def forward(self, x, h, c):
            h, c = self.cell(x, (h, c))
            return self.head(h), h, c

    zeros = torch.zeros(1, 4)
    loaded = load_model(Cell().eval(), example_inputs=(torch.zeros(1, 2), zeros, zeros))
    assert [state.name for state in loaded.model.graph.states] == ["h", "c"]


class Reset(nn.Module):
    """A state that a step sets to a constant, and, where asked for, an output that is one."""

    def __init__(self, *, output: bool = False) -> None:
        super().__init__()
        self.output = output

    def forward(self, x, h):
        y = torch.ones_like(x) if self.output else 0.5 * x + 0.25 * h
        return y, torch.tensor([[0.25, -0.5]])


def test_a_state_may_be_reset_to_a_constant():
    graph = load_model(Reset().eval(), example_inputs=(torch.zeros(1, 2),) * 2).model.graph
    assert graph.states[0].update == "h_next"
    assert graph.node("h_next").op is Op.ADD


def test_an_output_that_is_a_constant_is_refused():
    with pytest.raises(UnsupportedOp, match="let the output depend on the inputs"):
        load_model(Reset(output=True).eval(), example_inputs=(torch.zeros(1, 2),) * 2)
