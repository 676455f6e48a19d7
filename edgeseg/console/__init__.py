"""What a terminal shows and takes: names, numbers, commands, missing extras, progress."""
