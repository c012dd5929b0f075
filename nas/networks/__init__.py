"""What a network computes: one list of operations, read as a torch module, as layers, as shared weights and as ONNX."""
