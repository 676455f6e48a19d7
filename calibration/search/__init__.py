"""The best method and the fewest layers in float, resumable."""
