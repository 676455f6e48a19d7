"""TensorRT: engines built on their device, cached, and run."""
