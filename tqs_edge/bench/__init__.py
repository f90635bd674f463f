"""Measurements that anyone can repeat: every function returns flat records."""
