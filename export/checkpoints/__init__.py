"""Networks and weights of others' code: calls that build a network, files of weights, and how the two are joined."""
