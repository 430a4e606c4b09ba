"""Lowering of graphs to torch.fx, ONNX and PyTorch source."""
