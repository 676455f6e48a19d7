"""How well masks agree: confusion and IoU, boundary IoU, IoU by object size."""
