"""``edgeseg <verb>``: parse, call one room, print, and turn errors into exit codes.

Exit codes: 0 fine, 1 a gate failed, 2 a mistake in what was given, 3 this machine lacks something,
4 it is too noisy to tell whether a gate holds.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NoReturn

from edgeseg import __version__
from edgeseg.console.command_parser import CommandParser, did_you_mean, examples_text
from edgeseg.console.terminal import complain, visible
from edgeseg.console.wording import wording
from edgeseg.errors import DataWarning, EdgesegError

VERBS = {
    "train": "train a compact network on images and masks",
    "zoo": "list networks that run by their name, such as people",
    "models": "list the networks that can be trained, in figures",
    "export": "turn a checkpoint or ONNX file into a proven artifact",
    "calibrate": "quantise an artifact to INT8 from sample images",
    "verify": "compare torch, ONNX, OpenVINO and INT8 from image file to mask",
    "evaluate": "score an artifact on labelled images",
    "run": "segment a camera, a video or images",
    "bench": "measure the bare engine: latency, throughput, CPU cost",
    "check": "prove that an artifact still does here what it did when it was made",
    "inspect": "show what is inside a checkpoint, an ONNX file or an artifact",
    "doctor": "show engines, devices and what INT8 will bring on this machine",
    "dataset": "read anyone's labels: check, convert, split and pack them",
    "cache": "show and clear what is kept to start faster: compiled models and engines",
    "completion": "print what a shell needs to complete verbs, flags and file names",
    "demo": "the whole path on rendered cells, in a few minutes",
}
EXAMPLES = ("edgeseg demo", "edgeseg run --help", "edgeseg run ARTIFACT --source test://cells --max-frames 100")
INTERRUPTED = 130


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """Build the parser; only the module of ``verb`` is imported."""
    parser = _Parser(
        prog="edgeseg", description="Proven INT8 segmentation on edge devices.", epilog=examples_text(EXAMPLES)
    )
    parser.add_argument("--version", action="version", version=f"edgeseg {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, help_text in VERBS.items():
        sub = verbs.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        if name == verb:
            module = importlib.import_module(f"edgeseg.verbs.{name}")
            module.add_arguments(sub)
            sub.epilog = examples_text(module.EXAMPLES)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code.

    Args:
        argv: words of the command line; None for those of this process, whose standard streams are then guarded.
    """
    if argv is not None:
        return _main(argv)
    from edgeseg.runtime.system.child_python import leave_working_directory

    leave_working_directory()
    from edgeseg.runtime.events.standard_streams import finish, guard

    guard()
    sys.excepthook = complain_of_fault
    try:
        return guard_errors("", lambda: _main(sys.argv[1:]))
    finally:
        finish()


def _main(argv: Sequence[str]) -> int:
    if "_ARGCOMPLETE" in os.environ:
        from edgeseg.console.completion import answer

        answer(build_parser)
    arguments = list(argv)
    verb = next((word for word in arguments if not word.startswith("-")), None)
    parser = build_parser(verb)
    if verb is not None and verb not in VERBS:
        parser.error(
            f"there is no verb {verb!r}.{did_you_mean(verb, VERBS) or ' The verbs: ' + ', '.join(VERBS) + '.'}"
        )
    try:
        args = parser.parse_args(arguments)
    except SystemExit:
        sys.stdout.flush()  # what cannot be printed of a help is said as for a verb
        raise
    args.words = arguments[arguments.index(args.verb) + 1 :]
    work = importlib.import_module(f"edgeseg.verbs.{args.verb}").run
    return guard_errors(args.verb, lambda: int(work(args)), getattr(args, "log_json", False))


def guard_errors(verb: str, work: Callable[[], int], as_json: bool = False) -> int:
    """Run ``work`` and return its exit code; its errors become one line on standard error, in the words of flags.

    Args:
        verb: for the line.
        work: returns an exit code.
        as_json: the line is a JSON object, as those of ``run --log-json``.
    """
    from edgeseg.console.shown_warnings import tell_warnings
    from edgeseg.console.steps import listen_to_steps

    with (
        wording(_name_flags),
        listen_to_steps(lambda about, sentence: _tell_step(about, sentence, as_json)),
        tell_warnings(DataWarning, lambda sentence: _warn(f"edgeseg {verb}", sentence, as_json)),
    ):
        return _guard(verb, work, as_json)


def _guard(verb: str, work: Callable[[], int], as_json: bool) -> int:
    from edgeseg.runtime.events.standard_streams import ReaderGone, discard_output

    try:
        code = work()
        sys.stdout.flush()
        return code
    except EdgesegError as error:
        _complain(f"edgeseg {verb}".strip(), str(error), as_json, error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        discard_output()
        _complain(f"edgeseg {verb}".strip(), "interrupted.", as_json, INTERRUPTED)
        return INTERRUPTED
    except ReaderGone:
        discard_output()
        return 0


def _name_flags(message: str) -> str:
    from edgeseg.verbs.flags.names import name_flags

    return name_flags(message)


def _tell_step(about: str, sentence: str, as_json: bool) -> None:
    from edgeseg.runtime.events.event import Event
    from edgeseg.runtime.events.event_log import Log

    Log(as_json).event(Event("step", about, sentence))


def _warn(who: str, sentence: str, as_json: bool) -> None:
    if as_json:
        _tell_step(who, sentence, as_json)
    else:
        complain(f"warning: {sentence}")


def _complain(who: str, message: str, as_json: bool, code: int) -> None:
    from edgeseg.runtime.events.event import Event
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.events.redact import redact

    if as_json:
        Log(as_json=True).event(Event("error", who, message, facts={"exit_code": code}))
    else:
        complain(f"{who}: {redact(message)}")


def complain_of_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a fault of edgeseg itself, without credentials."""
    from edgeseg.runtime.events.redact import redact

    complain(redact("".join(traceback.format_exception(kind, error, trace))))


class _Parser(CommandParser):
    """Shows no password of an address when it complains about a command line."""

    def error(self, message: str) -> NoReturn:
        from edgeseg.runtime.events.redact import redact

        super().error(visible(redact(message)))


if __name__ == "__main__":
    sys.exit(main())
