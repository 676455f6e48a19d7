"""A worker process kept alive."""
