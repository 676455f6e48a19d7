"""A picture on its way, and the places where it waits."""
