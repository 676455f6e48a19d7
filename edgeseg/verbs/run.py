"""``edgeseg run``: segment a camera, a video or images.

What has an end runs in this process. A camera runs in a worker that this process watches over, starts again
when it crashes or hangs, and replaces after SIGHUP: :mod:`edgeseg.runtime.service.supervisor`. The worker is this
module as a program, ``python -m edgeseg.verbs.run PULSE_FD``, and its settings come as one JSON line on standard input.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.system.child_python import module_command
from edgeseg.verbs.flags.config_file import read_settings
from edgeseg.verbs.flags.run import add_arguments

if TYPE_CHECKING:
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.service.heartbeat import Pulse
    from edgeseg.runtime.service.supervisor import Plan
    from edgeseg.runtime.session.session import RunSession

EXAMPLES = (
    "edgeseg run ARTIFACT --source street.mp4 --save overlay.mp4",
    "edgeseg run ARTIFACT --source 'photos/*.jpg' --save-masks masks",
    "edgeseg run ARTIFACT --source ortho.tif --tile --save-masks masks",
    "edgeseg run ARTIFACT --source rtsp://camera/stream --save out.mkv --save-every 10min --keep 20GB",
)
__all__ = ["EXAMPLES", "add_arguments", "run"]
EXIT_FAILED = 1
"""Of a run over files in which a picture met `fail_if`."""
WORKER = tuple(module_command("edgeseg.verbs.run"))


def run(args: argparse.Namespace) -> int:
    """Run until the source ends or a signal comes; both are exit code 0.

    Of files of which one met a condition of ``--fail-if`` it is 1.
    """
    settings = read_settings(args.words)
    if settings.tile is not None:
        return segment_tiled(settings)
    _expect_source(settings)
    if settings.source.live:
        from edgeseg.runtime.system.address_space import check_address_space

        check_address_space()
        if settings.supervise and os.name == "posix":
            return _supervise(args.words, settings)
    return segment(settings)


def _expect_source(settings: RunSettings) -> None:
    """Find out whether there is such a source before a network of the zoo is fetched and converted for it.

    Raises:
        SourceError: there is none.
        EnvironmentFault: this system lacks what its address needs.
    """
    if len(settings.artifact.parts) > 1:
        return
    from edgeseg.zoo.find import find_state
    from edgeseg.zoo.registry import find_entry

    entry = find_entry(settings.artifact)
    if entry is None or find_state(entry) == "ready":
        return
    from edgeseg.runtime.sources.source import open_source

    source = open_source(settings.source.source, lambda _sentence: None, lambda _event: None)
    if not source.live:  # a camera is connected to where it is entered, and not before
        with source:
            pass


def segment(settings: RunSettings, pulse: Pulse | None = None) -> int:
    """Run in this process and print the summary.

    Args:
        settings: of the run.
        pulse: to the supervisor, if there is one.
    """
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.session.session import RunSession
    from edgeseg.verbs.run_summary import print_summary

    log = Log(settings.log_json)
    with RunSession(settings, log.event, log.sentence) as session:
        if pulse is not None:
            pulse.progress = session.progress
        with session.stop_on_signals(supervised=pulse is not None):
            with _show_progress(session, settings, log) as advance:
                summary = session.run(advance)
            session.close()
            print_summary(summary, settings, session, log)
    code = EXIT_FAILED if session.analyzer.failed and not settings.source.live else 0
    if session.stuck:
        from edgeseg.runtime.events.standard_streams import finish

        finish()
        os._exit(code)  # a thread hangs in native code; the files are closed, and nothing else can end it
    return code


def segment_tiled(settings: RunSettings) -> int:
    """Segment pictures in tiles, and print the summary."""
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.session.tiled import run_tiled
    from edgeseg.verbs.run_summary import print_tiled_summary

    log = Log(settings.log_json)
    with _show_tiles() as on_tile:
        summary = run_tiled(settings, on_tile, log.event, log.sentence)
    print_tiled_summary(summary, settings)
    return 0


def work() -> int:
    """Do the work of a supervised run, as a process of its own."""
    from edgeseg.cli import complain_of_fault, guard_errors
    from edgeseg.runtime.events.standard_streams import finish, guard
    from edgeseg.runtime.service.heartbeat import Pulse

    guard()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor hears it, and asks
    pulse = Pulse(int(sys.argv[1]))
    sys.excepthook = complain_of_fault
    settings = RunSettings.from_json(sys.stdin.readline())
    try:
        return guard_errors("run", lambda: segment(settings, pulse), settings.log_json)
    finally:
        pulse.close()
        finish()


def _supervise(words: Sequence[str], settings: RunSettings) -> int:
    from edgeseg.runtime.events.event_log import Log
    from edgeseg.runtime.service.supervisor import Supervisor

    def reread() -> Plan:
        return _plan(read_settings(words))

    log = Log(settings.log_json)
    return Supervisor(WORKER, _plan(settings), log.event, reread if settings.config else None).run()


def _plan(settings: RunSettings) -> Plan:
    from edgeseg.artifact import find_model
    from edgeseg.runtime.service.supervisor import Plan
    from edgeseg.runtime.sinks.lines.stream import from_child

    settings = replace(settings, artifact=find_model(settings.artifact))  # before a worker's clock runs
    if settings.outputs.jsonl:
        outputs = replace(settings.outputs, jsonl=from_child(settings.outputs.jsonl))
        settings = replace(settings, outputs=outputs)
    return Plan(settings.to_json(), settings.engine_timeout_s, settings.restarts)


@contextmanager
def _show_progress(session: RunSession, settings: RunSettings, log: Log) -> Iterator[Callable[[], object]]:
    """A bar on a terminal for what has an end; for a camera a line in the log each ``--status-every``."""
    from edgeseg.runtime.session.status import Status

    if session.source.live:
        yield Status(session.pipeline, settings.status_every_s, log.event).tell
        return
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm import tqdm

    known = [count for count in (settings.max_frames, session.source.total) if count is not None]
    with tqdm(total=min(known, default=None), unit="frame", dynamic_ncols=True) as bar:
        yield bar.update


@contextmanager
def _show_tiles() -> Iterator[Callable[[int, int], object]]:
    """A bar on a terminal, with the time that is left."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from tqdm import tqdm

    with tqdm(unit="tile", dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


if __name__ == "__main__":
    sys.exit(work())
