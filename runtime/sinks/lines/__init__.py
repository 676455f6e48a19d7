"""A file of lines that several processes append to, in bounded pieces."""
