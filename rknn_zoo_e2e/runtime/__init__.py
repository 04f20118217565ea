"""What runs a model: a board's NPU (two ways), the vendor's simulator, ONNX Runtime or PyTorch."""
