"""Waiting for a camera: how long, until what, and how soon one lets go."""

from __future__ import annotations

import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from edgeseg.runtime.cameras.address import parse_address
from edgeseg.runtime.cameras.capture_process import Limits
from edgeseg.runtime.cameras.live_source import StreamSource
from edgeseg.runtime.cameras.port_watch import PortWatch
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.system.backoff import FIRST_S, LONGEST_S, backoff_s

WAIT_S = 60
CLOSED_S = 2.5


def test_waits_grow_from_half_a_second_to_half_a_minute() -> None:
    waits = [[backoff_s(attempt, chance=random.Random(seed)) for attempt in range(12)] for seed in range(50)]
    for row in waits:
        assert row[0] <= 1
        assert all(FIRST_S <= wait <= LONGEST_S for wait in row)
    longest = [max(column) for column in zip(*waits, strict=True)]
    assert all(later >= earlier for earlier, later in pairwise(longest[:6]))
    assert min(row[-1] for row in waits) >= LONGEST_S / 2


def test_cameras_of_one_switch_do_not_come_back_all_at_once() -> None:
    waits = [backoff_s(5, chance=random.Random(seed)) for seed in range(50)]
    assert max(waits) - min(waits) > LONGEST_S / 3


def test_any_number_of_attempts_has_a_wait() -> None:
    assert backoff_s(10**6) <= LONGEST_S
    assert backoff_s(0, longest_s=0.1) == FIRST_S


def watch(port: int) -> PortWatch:
    return PortWatch(parse_address(f"rtsp://127.0.0.1:{port}/live"), threading.Event())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def answering(port: int, answer: bytes) -> Iterator[list[bytes]]:
    """A server that says this to whatever it is asked."""
    asked: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked.append(self.request.recv(1000))
            self.request.sendall(answer)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield asked
        server.shutdown()
        thread.join()


def test_a_camera_that_answers_after_it_was_off_is_noticed() -> None:
    port = free_port()
    watching = watch(port)
    assert not watching.wait_until_open(0.1)
    with answering(port, b"RTSP/1.0 401 Unauthorized\r\n\r\n") as asked:
        began_s = time.monotonic()
        assert watching.wait_until_open(10)
        assert time.monotonic() - began_s < 1
    assert asked == [
        f"OPTIONS rtsp://127.0.0.1:{port}/live RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: edgeseg\r\n\r\n".encode()
    ]


def test_a_camera_that_listens_and_says_nothing_is_not_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        watching = watch(server.getsockname()[1])
        assert [watching.wait_until_open(0.2) for _ in range(3)] == [False] * 3


def test_a_web_camera_is_back_when_its_port_is_open() -> None:
    port = free_port()
    watching = PortWatch(parse_address(f"http://127.0.0.1:{port}/cam.mjpg"), threading.Event())
    assert not watching.wait_until_open(0.1)
    with socket.create_server(("127.0.0.1", port)):
        assert watching.wait_until_open(10)


def test_a_camera_that_answers_is_no_reason_to_try_earlier() -> None:
    """It is there and has no stream: asking again and again does not help it."""
    with answering(free := free_port(), b"RTSP/1.0 200 OK\r\n\r\n") as asked:
        watching = watch(free)
        assert not watching.wait_until_open(0.5)
        began_s = time.monotonic()
        assert not watching.wait_until_open(0.5)
        assert time.monotonic() - began_s >= 0.5
    assert len(asked) == 1


def test_no_login_is_sent_to_who_is_asked() -> None:
    port = free_port()
    watching = PortWatch(parse_address(f"rtsp://user:p@ss/word@127.0.0.1:{port}/live"), threading.Event())
    with answering(port, b"RTSP/1.0 200 OK\r\n\r\n") as asked:
        watching.wait_until_open(1)
    assert b"word" not in asked[0]
    assert asked[0].startswith(f"OPTIONS rtsp://127.0.0.1:{port}/live ".encode())


@pytest.mark.parametrize("text", ["test://cells", "rtsp://127.0.0.1:99999/live"])
def test_without_a_port_the_whole_wait_is_waited(text: str) -> None:
    began_s = time.monotonic()
    assert not PortWatch(parse_address(text), threading.Event()).wait_until_open(0.3)
    assert time.monotonic() - began_s >= 0.3


def unreachable(events: list[Event]) -> StreamSource:
    return StreamSource([parse_address(f"rtsp://127.0.0.1:{free_port()}/live")], Limits(), events.append)


def test_a_source_closes_at_once_while_its_process_starts() -> None:
    began_s = time.monotonic()
    with unreachable([]):
        pass
    assert time.monotonic() - began_s < CLOSED_S


def test_a_source_closes_at_once_while_it_waits_for_the_next_attempt() -> None:
    events: list[Event] = []
    with unreachable(events) as source:
        deadline_s = time.monotonic() + WAIT_S
        while sum(event.kind == "reconnecting" for event in events) < 2 and time.monotonic() < deadline_s:
            time.sleep(0.02)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < CLOSED_S
    assert not source.cameras[0].is_alive()
    assert [event.kind for event in events[:3]] == ["lost", "reconnecting", "reconnecting"]


def test_a_reader_that_waits_is_let_go_by_stop() -> None:
    with unreachable([]) as source:
        timer = threading.Timer(0.3, source.stop)
        timer.start()
        began_s = time.monotonic()
        assert list(source) == []
        assert time.monotonic() - began_s < CLOSED_S
        timer.join()


def test_a_listener_that_fails_ends_reading_with_its_words() -> None:
    """An error in a camera's thread reaches whoever waits."""

    def fail(_event: Event) -> None:
        raise RuntimeError("the log is full")

    address = parse_address("test://cells?size=96x64", "front")
    with StreamSource([address], Limits(), fail) as source, pytest.raises(Exception, match="front: the log is full"):
        list(source)
