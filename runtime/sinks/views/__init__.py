"""How a picture shows its masks."""
