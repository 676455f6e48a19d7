"""Training: folder dataset, losses, loop, checkpoints (torch)."""
