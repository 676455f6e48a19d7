"""What is told to other programs over the network, by threads that may wait for it."""
