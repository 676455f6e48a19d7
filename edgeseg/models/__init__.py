"""Compact segmentation networks (torch)."""
