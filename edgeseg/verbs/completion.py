"""``edgeseg completion``: what a shell needs to complete verbs, flags, choices and file names."""

from __future__ import annotations

import argparse

from edgeseg.console.command import NAME
from edgeseg.console.terminal import say_lines

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = (
    "edgeseg completion bash",
    "edgeseg completion fish",
)
SETUP = """to have it in every new shell:
  bash  echo 'eval "$(edgeseg completion bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(edgeseg completion zsh)"' >> ~/.zshrc
  fish  edgeseg completion fish > ~/.config/fish/completions/edgeseg.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of ``edgeseg completion``."""
    parser.description = f"{parser.description}\n\n{SETUP}"
    parser.add_argument("shell", choices=SHELLS, help="which shell asks")


def run(args: argparse.Namespace) -> int:
    """Print the shell's code that completes; returns the exit code."""
    from argcomplete.shell_integration import shellcode

    say_lines(shellcode([NAME], shell=args.shell))
    return 0
