"""Which images calibrate, and what they show."""
