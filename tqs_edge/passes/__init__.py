"""Lowering in TVM: the float Relax step becomes integer TIR, then scheduled loops and calls."""
