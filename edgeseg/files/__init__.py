"""Files of the user: read within bounds, written whole or not at all, never over one another."""
