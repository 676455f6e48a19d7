"""Where two forms of one network part, layer by layer."""
