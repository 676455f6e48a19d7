"""Sample images to INT8, and the proof that it still segments."""
