"""Constant parameters that nothing reads leave the signature of main."""

from __future__ import annotations

import tvm
from tvm import relax

from tqs_edge.frontend.relax_expr import use_counts


@tvm.transform.module_pass(opt_level=0, name="DropUnusedConstants")
class DropUnusedConstants:
    """Removes unread trailing parameters of main and their entries in its attribute `constants`."""

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """The module with only the constants that the step needs."""
        main, inputs = mod["main"], int(mod["main"].attrs["num_input"])
        uses = use_counts(main)
        paths = list(main.attrs["constants"])
        kept = [
            (param, path)
            for param, path in zip(main.params[inputs:], paths, strict=True)
            if uses[param]
        ]
        params = [*main.params[:inputs], *(param for param, _ in kept)]
        smaller = relax.Function(params, main.body, main.ret_ty, attrs=main.attrs)
        smaller = smaller.with_attr("constants", [path for _, path in kept])
        mod = tvm.IRModule(dict(mod.functions.items()))
        mod.update_func(mod.get_global_var("main"), smaller)
        return mod
