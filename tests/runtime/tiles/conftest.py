from tiles_nets import make_net, scene  # noqa: F401
