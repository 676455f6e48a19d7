"""What a network without a spec of its own takes and means: by flags, by a file, or asked for where nobody said it."""
