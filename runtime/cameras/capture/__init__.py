"""The child process of one camera: one connection, pictures into shared memory."""
