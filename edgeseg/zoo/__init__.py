"""Networks by name: what they are, where their weights come from, and where they are kept once they are proven."""
