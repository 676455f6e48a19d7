"""OpenVINO IR that edgeseg did not write, read as ONNX; OpenVINO itself runs the file as the reference."""
