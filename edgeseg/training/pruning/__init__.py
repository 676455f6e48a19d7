"""Levels that a trained network does not need, found and cut."""
