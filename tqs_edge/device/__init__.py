"""Talking to firmware on a board: frames, messages, ports, rollouts."""
