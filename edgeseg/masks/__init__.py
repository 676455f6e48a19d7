"""What the values of mask files mean, and whether masks can judge a network at all."""
