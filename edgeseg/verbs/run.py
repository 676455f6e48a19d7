"""``edgeseg run``: segment a camera, a video or images.

What has an end runs in this process. A camera runs in a worker that this process watches over, starts again
when it crashes or hangs, and replaces after SIGHUP: :mod:`edgeseg.runtime.service.supervisor`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeseg.console.command import edgeseg_command
from edgeseg.console.quantities import duration_or_size, duration_s, parse_limit
from edgeseg.errors import UserError
from edgeseg.runtime.system.child_python import module_command
from edgeseg.verbs.flags.run import add_arguments
from edgeseg.verbs.run_config import arguments, format_words

if TYPE_CHECKING:
    from edgeseg.runtime.service.supervisor import Plan

EXAMPLES = (
    "edgeseg run ARTIFACT --source street.mp4 --save overlay.mp4",
    "edgeseg run ARTIFACT --source 'photos/*.jpg' --save-masks masks",
    "edgeseg run ARTIFACT --source rtsp://camera/stream --save out.mkv --save-every 10min --keep 20GB",
)
SOURCE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".mp4", ".mov", ".mkv", ".avi", ".webm")
"""Who gives one of these in the place of the artifact means it as the source."""
__all__ = ["EXAMPLES", "add_arguments", "run"]
WORKER = tuple(module_command("edgeseg.verbs.run_worker"))


def run(args: argparse.Namespace) -> int:
    """Run until the source ends or a signal comes; both are exit code 0."""
    words = args.words
    args = arguments(words)
    _check(args)
    if _is_live(args):
        from edgeseg.runtime.system.address_space import check_address_space

        check_address_space()
        if not args.no_supervise and os.name == "posix":
            return _supervise(words, args)
    from edgeseg.verbs.run_session import segment

    return segment(args)


def _check(args: argparse.Namespace) -> None:
    if args.artifact is not None and args.artifact.suffix.lower() in SOURCE_ENDINGS:
        words = ("run", "ARTIFACT", "--source", args.artifact)
        raise UserError(f"{args.artifact} is no artifact but something to run one on: {edgeseg_command(*words)}")
    for name, value in (("ARTIFACT, an artifact directory,", args.artifact), ("--source", args.source)):
        if value is None:
            raise UserError(f"{name} is missing. Give it on the command line, or in the file of --config.")
    if args.engine_timeout <= 0 or args.restarts < 0 or args.status_every < 0:
        raise UserError("--engine-timeout must be above 0, --restarts and --status-every at least 0.")
    if args.save_every:
        duration_s(args.save_every)
    if args.jsonl_every:
        duration_or_size(args.jsonl_every)
    for size in (args.keep, args.masks_keep, args.jsonl_keep):
        parse_limit(size, None)


def _is_live(args: argparse.Namespace) -> bool:
    from edgeseg.runtime.cameras.address import is_live

    return is_live(args.source) or args.source.endswith(".streams")


def _supervise(words: Sequence[str], args: argparse.Namespace) -> int:
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.service.supervisor import Supervisor

    def reread() -> Plan:
        new = arguments(words)
        _check(new)
        return _plan(new)

    log = Log(args.log_json)
    return Supervisor(WORKER, _plan(args), log.event, reread if args.config else None).run()


def _plan(args: argparse.Namespace) -> Plan:
    from edgeseg.runtime.service.supervisor import Plan
    from edgeseg.runtime.sinks.lines.stream import from_child

    if args.jsonl:
        args.jsonl = from_child(args.jsonl)
    return Plan(format_words(args), args.engine_timeout, args.restarts)
