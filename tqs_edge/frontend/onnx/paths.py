"""Parameter paths for the constants of an ONNX graph: those of the exported module where known."""

from __future__ import annotations

import re
from typing import Any

# Names that exporters number through: what they hold has a better name elsewhere.
ANONYMOUS = re.compile(r"onnx::.*|(val|const|initializer)_?\d*|\d+|.*_output_\d+|_.*|")
SCOPES = "pkg.torch.onnx.name_scopes"
ROLES = {
    "Conv": ("", "weight", "bias"),
    "PRelu": ("", "weight"),
    "BatchNormalization": ("", "weight", "bias", "running_mean", "running_var"),
    "InstanceNormalization": ("", "weight", "bias"),
    "LayerNormalization": ("", "weight", "bias"),
    "GroupNormalization": ("", "weight", "bias"),
}


def scope_of(node: Any) -> str:
    """Path of the module that a NodeProto was exported from, "" where the file does not tell.

    torch.onnx writes it as a list into the metadata or, older, into the name: "/net/net.0/Gemm".
    """
    text = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "")
    scopes = re.findall(r"'([^']*)'", text)
    if len(scopes) > 1:
        return str(scopes[-2])
    if not node.name.startswith("/"):
        return ""
    path: list[str] = []
    for part in node.name.split("/")[1:-1]:
        if path and part.startswith(path[-1] + "."):  # a Sequential repeats its own name
            path.pop()
        path.append(part)
    return ".".join(path)


def is_anonymous(name: str) -> bool:
    """Whether a name was made by counting."""
    return ANONYMOUS.fullmatch(name) is not None


def clean_path(name: str) -> str:
    """A name as a dotted path of words: letters, digits and underscores."""
    parts = [re.sub(r"\W+", "_", part, flags=re.ASCII) for part in re.split(r"[./]|::", name)]
    return ".".join(part for part in parts if part.strip("_")) or "constant"
