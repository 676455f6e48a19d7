"""Labelled folders as batches: reading, augmenting, holding out."""
