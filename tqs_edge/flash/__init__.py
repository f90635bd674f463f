"""Writing an image to a real board: one file per tool, one protocol (tools.py)."""
