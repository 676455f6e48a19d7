"""Whole pictures of any size: cut into overlapping tiles, inferred tile by tile, put together without seams."""
