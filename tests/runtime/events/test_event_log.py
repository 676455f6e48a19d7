from __future__ import annotations

import datetime
import io
import json
import threading
import time

from edgeseg.runtime.events.event import Event
from edgeseg.runtime.events.event_log import Log

LOST = Event("lost", "rtsp://admin:pw@cam/1", "lost: rtsp://admin:pw@cam/1 is silent.", "timeout", {"attempt": 2})


def written(as_json: bool, *events: Event) -> list[str]:
    stream = io.StringIO()
    log = Log(as_json, stream)
    for event in events:
        log.event(event)
    return stream.getvalue().splitlines()


def test_a_line_of_json_holds_the_event_and_when_it_happened() -> None:
    ago = Event(LOST.kind, LOST.source, LOST.message, LOST.reason, LOST.facts, time.monotonic() - 60)
    line = json.loads(written(True, ago)[0])
    age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(line.pop("time"))
    assert abs(age.total_seconds() - 60) < 5
    assert line == {
        "event": "lost",
        "source": "rtsp://***@cam/1",
        "message": "lost: rtsp://***@cam/1 is silent.",
        "reason": "timeout",
        "attempt": 2,
    }


def test_a_sentence_hides_credentials_too() -> None:
    assert written(False, LOST) == ["edgeseg: rtsp://***@cam/1: lost: rtsp://***@cam/1 is silent."]


def test_a_note_on_one_picture_is_an_event_for_machines_only() -> None:
    stream = io.StringIO()
    Log(False, stream).sentence("b.png is damaged.")
    Log(True, stream).sentence("b.png is damaged.")
    text, line = stream.getvalue().splitlines()
    assert text == "edgeseg: b.png is damaged."
    assert json.loads(line)["event"] == "note"


def test_lines_of_many_threads_do_not_mix() -> None:
    stream = io.StringIO()
    log = Log(True, stream)

    def speak() -> None:
        for _ in range(200):
            log.event(LOST)

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 800
