"""From the graph to torch.fx, to ONNX and to PyTorch source."""
