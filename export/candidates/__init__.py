"""What can run on this machine, made, proven, measured in turns, and the best of it kept."""
