"""What the libraries of ready-made networks say about theirs: classes, sizes, how pixels are prepared."""
