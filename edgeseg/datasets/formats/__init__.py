"""One reader a format of labels, and the table of them."""
