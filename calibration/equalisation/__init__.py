"""Exact rescaling of channels before quantisation, so that the channels of a tensor share its range."""
