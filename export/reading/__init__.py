"""How a foreign network is to be read: what it takes, what its output means, and which kinds are none of ours."""
