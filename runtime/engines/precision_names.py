"""What precisions of layers in float are called; imported at every start, so nothing heavy is."""

from __future__ import annotations

FLOATS = ("f32", "bf16", "f16")
AUTO = "auto"
"""The engine's choice."""
PRECISIONS = (*FLOATS, AUTO)
