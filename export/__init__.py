"""Checkpoint to ONNX to OpenVINO, and verification."""
