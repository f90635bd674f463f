"""Runners: the same rollout on the host, in Unicorn and in QEMU."""
