"""Where results go; none of them may slow the engine."""
