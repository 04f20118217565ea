"""What runs a model: a board's NPU, the vendor's simulator, ONNX Runtime or PyTorch."""
