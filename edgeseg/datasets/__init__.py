"""Labels as people have them: read in their own format, written in ours, checked, split and packed."""
