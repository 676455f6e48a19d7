"""One module a verb of the command line: EXAMPLES, add_arguments(parser) and run(args) -> exit code.

Every flag stands in a named group; :mod:`edgeseg.console.command_parser` adds its default to its help.

A verb imports the room it needs inside ``run``, so that `edgeseg run` starts without torch.
"""
