"""ExportedProgram -> Relax: the float step function with its parameters as named inputs."""

from __future__ import annotations

import warnings

import numpy as np
import torch
import tvm
from torch.export import ExportedProgram
from tvm import relax
from tvm.relax.frontend.torch import from_exported_program

from tqs_edge.frontend.import_ops import CONVERTERS
from tqs_edge.frontend.signature import StepSignature
from tqs_edge.frontend.step_program import constants_by_placeholder, promote_constants


def import_step(
    program: ExportedProgram, signature: StepSignature
) -> tuple[tvm.IRModule, dict[str, np.ndarray]]:
    """(module, constants): main(x, exog, *states, *constants) -> (y, *states), and the values.

    program: decomposed (`step_program.decompose`). Attributes of main: `num_input` (inputs before
    the constants), `num_exog` (0 or 1), `constants` (the parameter paths of the trailing
    parameters). Values are float32 arrays by path.
    """
    program = promote_constants(program)
    named = constants_by_placeholder(program)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TVM's importer uses deprecated torch.fx accessors
        own = any(str(node.target).startswith("tqs.") for node in program.graph.nodes)
        mod = from_exported_program(
            program,
            keep_params_as_input=True,
            run_ep_decomposition=False,
            custom_convert_map=dict(CONVERTERS) if own else None,
        )
    main = mod["main"].without_attr("params")
    params = {param.name: param for param in main.params}
    inputs = [params[name] for name in signature.placeholders]
    constants = [param for param in main.params if param.name in named]
    paths = [named[param.name][0] for param in constants]
    main = relax.Function([*inputs, *constants], main.body, main.ret_ty, attrs=main.attrs)
    main = main.with_attr("num_input", len(inputs))
    main = main.with_attr("num_exog", int(signature.exog is not None))
    main = main.with_attr("constants", paths)
    values = {path: _array(value) for path, value in named.values()}
    mod = tvm.IRModule(dict(mod.functions.items()))
    mod.update_func(mod.get_global_var("main"), main)
    return mod, values


def _array(value: torch.Tensor) -> np.ndarray:
    array = value.detach().contiguous().numpy()
    return array.astype(np.float32) if array.dtype.kind == "f" else array
