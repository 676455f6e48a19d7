"""What continuous integration reads of a check, keeps of it, and runs by itself."""
