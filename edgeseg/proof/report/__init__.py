"""The proof as a page and as JSON."""
