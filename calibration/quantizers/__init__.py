"""Float file to INT8 file, one quantizer an engine."""
