"""The torch-free runtime: engines, sources, pipeline, sinks."""
