"""The one arithmetic: scales, fixed point, packing, tables; exact integer twins of kernels/."""
