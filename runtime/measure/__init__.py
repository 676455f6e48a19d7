"""What a model does on this machine: speed, IoU, layers, gates."""
