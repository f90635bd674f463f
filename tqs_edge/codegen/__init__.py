"""Integer program to plain C."""
