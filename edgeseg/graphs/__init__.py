"""ONNX and OpenVINO IR files: read, changed, checked and written."""
