"""Human, stable, unique names for every variable of the step function."""

from __future__ import annotations

import re

import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator, mutator

from tqs_edge.frontend.composite import DENSE, FUNCTION
from tqs_edge.frontend.relax_expr import composite_name, ints, op_name
from tqs_edge.graph.reserved_names import free_name

SHORT_NAMES = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "clip": "clamp",
    "permute_dims": "transpose",
    "nn.relu": "relu",
    "nn.softmax": "softmax",
}


@tvm.transform.module_pass(opt_level=0, name="NameSites")
class NameSites:
    """Renames variables so that Relax names and graph node names are the same words.

    A dense product is called after its weight ("cell.weight_ih" -> cell_ih, "head.weight" ->
    head), the other operations after their operator (add, add_2), a slice after its source and
    bounds (cell_ih_0_32), a new state `<state>_next`, the output y, the inputs x and exog.
    Every name is a C identifier. Reads the attributes num_input, num_exog and constants of main.
    """

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with new variable names and nothing else changed."""
        renamer = _Rename(mod, choose_names(mod))
        renamer.builder_.update_func(mod.get_global_var("main"), renamer.visit_expr(mod["main"]))
        return renamer.builder_.get()


def choose_names(mod: tvm.IRModule) -> dict[relax.Var, str]:
    """Variable -> its name, for the parameters and bindings of main."""
    main = mod["main"]
    bindings = main.body.blocks[0].bindings
    inputs = int(main.attrs["num_input"])
    # Nodes read constants and tensors under one kind of name.
    names = _Names({str(path) for path in main.attrs["constants"]})
    for param, wanted in zip(main.params[:inputs], _input_names(main), strict=True):
        names.give(param, wanted)
    _name_results(names, main, bindings)
    for binding in bindings:
        if binding.var not in names.chosen:
            names.give(binding.var, _wanted_name(mod, main, binding.value, names))
    for param, path in zip(main.params[inputs:], main.attrs["constants"], strict=True):
        names.give(param, identifier(str(path)))
    return names.chosen


class _Names:
    """Unique names: the second `add` becomes add_2. None of `taken` is given."""

    def __init__(self, taken: set[str]) -> None:
        self.chosen: dict[relax.Var, str] = {}
        self.taken = set(taken)

    def give(self, var: relax.Var, wanted: str) -> None:
        name, count = free_name(wanted), 1
        while name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        self.taken.add(name)
        self.chosen[var] = name


def _input_names(main: relax.Function) -> list[str]:
    inputs, exog = int(main.attrs["num_input"]), int(main.attrs["num_exog"])
    names = ["x", "exog"][: 1 + exog]
    return names + [identifier(param.name) for param in main.params[1 + exog : inputs]]


def _name_results(names: _Names, main: relax.Function, bindings: list[relax.Binding]) -> None:
    """Names the variables that leave the step: new states first, then the output y."""
    outputs = list(bindings[-1].value.fields)
    inputs, exog = int(main.attrs["num_input"]), int(main.attrs["num_exog"])
    states = [names.chosen[param] for param in main.params[1 + exog : inputs]]
    for var, wanted in zip(outputs[1:], [f"{state}_next" for state in states], strict=True):
        if var not in names.chosen:
            names.give(var, wanted)
    if outputs[0] not in names.chosen:
        names.give(outputs[0], "y")
    names.give(bindings[-1].var, "results")


def _wanted_name(mod: tvm.IRModule, main: relax.Function, value: relax.Expr, names: _Names) -> str:
    composite = composite_name(mod, value)
    if composite == DENSE:
        position = next(i for i, p in enumerate(main.params) if p.same_as(value.args[1]))
        return dense_name(str(main.attrs["constants"][position - int(main.attrs["num_input"])]))
    if composite:
        return identifier(composite.removeprefix(FUNCTION).removeprefix("tqs."))
    operator = op_name(value)
    if operator == "strided_slice" and value.args[0] in names.chosen:
        begin, end = ints(value.args[2])[0], ints(value.args[3])[0]
        return f"{names.chosen[value.args[0]]}_{begin}_{end}"
    return identifier(SHORT_NAMES.get(operator, operator or "value"))


def dense_name(weight_path: str) -> str:
    """The name of the product with a weight: its path without "weight" and a final ".T"."""
    *modules, leaf = weight_path.removesuffix(".T").split(".")
    leaf = re.sub(r"^weight_?", "", leaf)
    return identifier("_".join([*modules, leaf] if leaf else modules) or weight_path)


def identifier(text: str) -> str:
    """`text` with every run of characters that C does not allow in names replaced by `_`."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "value"
    return name if not name[0].isdigit() else f"n{name}"


@mutator
class _Rename(PyExprMutator):
    def __init__(self, mod: tvm.IRModule, names: dict[relax.Var, str]) -> None:
        super().__init__(mod)
        self.names = names

    def visit_var_def_(self, var: relax.Var) -> relax.Var:
        return self.renamed(var, relax.Var)

    def visit_dataflow_var_def_(self, var: relax.DataflowVar) -> relax.Var:
        return self.renamed(var, relax.DataflowVar)

    def renamed(self, var: relax.Var, kind: type[relax.Var]) -> relax.Var:
        new = kind(self.names.get(var, var.name), var.ty)
        self.set_var_remap(var, new)
        return new
