"""What executes a model's float step: with tensors replaced, many variants at once."""
