"""Shapes that people draw around things, and the pixels that belong to them."""
