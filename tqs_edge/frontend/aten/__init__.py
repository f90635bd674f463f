"""ATen operations of an exported step rewritten into the few that the graph has."""
