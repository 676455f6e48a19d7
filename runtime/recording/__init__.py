"""Video that survives a power cut, in a folder of bounded size."""
