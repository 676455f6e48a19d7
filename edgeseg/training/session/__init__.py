"""One training from what a person asks to its checkpoints."""
