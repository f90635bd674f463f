"""SourceBundle to firmware image: boards, compilers, linking, sizes."""
