"""A checkpoint or anyone's ONNX file as one thing."""
