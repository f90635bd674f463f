"""Spending a device budget on bit-widths."""
