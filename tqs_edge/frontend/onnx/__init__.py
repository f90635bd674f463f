"""ONNX graphs as torch modules that torch.export traces: one import path for all models."""
