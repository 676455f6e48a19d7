"""The seam between a model file and its engine, and the engines that need no NVIDIA GPU."""
