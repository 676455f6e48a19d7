"""Labels that are pixels of mask files: how files are paired, what their values mean, and the layouts of them."""
