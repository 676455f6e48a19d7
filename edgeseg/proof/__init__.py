"""Does it still segment? Masks are compared from image file on, and a budget says what may be lost."""
