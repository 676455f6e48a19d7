"""Files that ship with the package: the demo checkpoint and its model card."""
