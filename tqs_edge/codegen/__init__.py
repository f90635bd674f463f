"""The lowered integer step becomes a package of plain C99 files."""
