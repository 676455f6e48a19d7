"""TensorFlow Lite files, read as ONNX with channels first."""
