"""Network cameras kept alive."""
