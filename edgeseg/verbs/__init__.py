"""One module a verb of the command line: HELP, add_arguments(parser) and run(args) -> exit code.

A verb imports the room it needs inside :func:`run`, so that `edgeseg run` starts without torch.
"""
