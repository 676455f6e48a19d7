"""Weights rounded so that what a layer gives changes least, in place of each to its nearest code."""
