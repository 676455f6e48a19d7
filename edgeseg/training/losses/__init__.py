"""Loss functions and their registry."""
