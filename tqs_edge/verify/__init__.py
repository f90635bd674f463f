"""Comparing the float rollout, the integer reference, host code and every simulator."""
