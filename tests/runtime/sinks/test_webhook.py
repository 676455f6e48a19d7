"""Webhooks against a real web server: signed, tried again, refused, hanging."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mqtt_broker import free_port, wait_until

from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.events.event import Event, ignore_event
from edgeseg.runtime.frames.analysis import AlarmEvent, Analysis
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.messages.webhook import TRIES, WAITING, Webhook
from edgeseg.runtime.sinks.webhook_sink import WebhookSink


@dataclass
class Receiver:
    """Answers with the codes that wait, then with 200, and keeps what came."""

    port: int
    codes: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            code = made.codes.pop(0) if made.codes else 200
            self.send_response(code)
            if code == 302:
                self.send_header("Location", f"http://127.0.0.1:{made.port}/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def write(sink: WebhookSink, *states: str) -> None:
    alarms = tuple(AlarmEvent("door", "a > 2%", state, "a", "", 3.0, "%", 1.0) for state in states)
    prediction = Prediction(np.zeros((2, 2), np.uint8), analysis=Analysis({"a": 0.03}, alarms=alarms))
    sink.write(Frame(np.zeros((2, 2, 3), np.uint8), 7, 0.0, "rtsp://u:geheim@cam"), prediction, 5.0)


def test_alarms_arrive_in_order_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    sink = WebhookSink(f"http://box:p@ss@127.0.0.1:{receiver.port}/hook", tmp_path / "secret")
    write(sink)
    write(sink, "raised")
    write(sink, "cleared")
    sink.close()
    assert [json.loads(body)["type"] for _, body in receiver.came] == ["alarm.raised", "alarm.cleared"]
    headers, body = receiver.came[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"0123456789abcdef", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"box:p@ss"
    data = json.loads(body)["data"]
    assert (data["source"], data["index"], data["rule"]) == ("rtsp://***@cam", 7, "door")
    with pytest.raises(OutputError):
        write(sink, "raised")


def test_what_fails_is_tried_again_with_the_same_id(receiver: Receiver) -> None:
    receiver.codes = [500, 429]
    webhook = Webhook(f"http://127.0.0.1:{receiver.port}/", None, ignore_event, pause_s=0.01)
    webhook.post({"n": 1})
    webhook.close(5)
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert (len(receiver.came), webhook.lost) == (3, 0)


@pytest.mark.parametrize(("code", "tries"), [(404, 1), (302, 1), (503, TRIES)])
def test_what_is_refused_is_said_once_and_counted(receiver: Receiver, code: int, tries: int) -> None:
    receiver.codes = [code] * 2 * tries
    events: list[Event] = []
    address = f"http://box:geheim@127.0.0.1:{receiver.port}/"
    webhook = Webhook(address, None, events.append, pause_s=0.001)
    for number in range(3):
        webhook.post({"n": number})
    wait_until(lambda: len(events) == 2)
    webhook.close(5)
    assert [event.kind for event in events] == ["output-stopped", "output-resumed"]
    assert f"it answers {code}" in events[0].message
    assert "geheim" not in repr(events)
    assert (len(receiver.came), webhook.lost) == (2 * tries + 1, 2)


def test_a_receiver_that_hangs_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", None, ignore_event)
        began = time.monotonic()
        for number in range(3 * WAITING):
            webhook.post({"n": number})
        assert time.monotonic() - began < 1
        webhook.close(0.2)
        assert time.monotonic() - began < 2
    assert webhook.lost == 3 * WAITING


def test_nobody_there_is_no_error_of_the_run() -> None:
    events: list[Event] = []
    webhook = Webhook(f"http://127.0.0.1:{free_port()}/", None, events.append, pause_s=0.001)
    webhook.post({})
    wait_until(lambda: events)
    webhook.close(1)
    assert "cannot be reached (URLError)" in events[0].message


@pytest.mark.parametrize("address", ["ftp://a:geheim@b/", "broker", "http://", "http://a b/"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="`webhook` is http://HOST/PATH") as refused:
        WebhookSink(address)
    assert "geheim" not in str(refused.value)


def test_a_secret_that_is_short_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    with pytest.raises(UserError, match="holds 5 signs; a secret has at least 16"):
        WebhookSink("http://127.0.0.1/", tmp_path / "secret")
    with pytest.raises(UserError):
        WebhookSink("http://127.0.0.1/", tmp_path / "none")
