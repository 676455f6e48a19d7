"""How many slots, streams and threads an artifact runs with here: measured, and kept."""
