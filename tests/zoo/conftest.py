from own_zoo import cache, labelled, own  # noqa: F401
