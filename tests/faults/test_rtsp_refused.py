"""Cameras that say no: what waiting does not cure is told apart, and no message holds a password."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from fault_camera import StartCamera
from watched import Watched

from edgeseg.runtime.cameras.capture_process import Limits

LIMITS = Limits(timeout_s=3, open_timeout_s=10)
START_S = 60
SECRETS = ["hunter22", "p@ss/wo#rd?", "per%cent", "col:on"]


def refused(watched: Watched) -> str:
    """The error that ended reading."""
    watched.wait_for("end", lambda: watched.error, START_S)
    assert [event.kind for event in watched.events] == ["failed"]
    return str(watched.error)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_wrong_password_ends_it_and_is_nowhere_to_be_read(
    fault_camera: StartCamera, secret: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = fault_camera("login", login="user:another")
    with caplog.at_level(logging.DEBUG), Watched([camera.url_as(f"user:{secret}")], LIMITS) as watched:
        message = refused(watched)
        reason = watched.events[0].reason
    assert (reason, "(401)" in message) == ("unauthorized", True)
    said = "\n".join([message, *map(repr, watched.events), caplog.text, *capfd.readouterr()])
    assert secret not in said
    assert secret[-4:] not in said


@pytest.mark.parametrize("secret", SECRETS)
def test_the_right_password_is_sent_as_it_is_meant(fault_camera: StartCamera, secret: str) -> None:
    camera = fault_camera("login", login=f"user:{secret}")
    typed = secret.replace("%", "%25")
    with Watched([camera.url_as(f"user:{typed}")], LIMITS) as watched:
        watched.frames(1, START_S)
    assert watched.error is None


def test_a_stream_that_is_not_there_ends_it(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("missing").url], LIMITS) as watched:
        message = refused(watched)
    assert "there is no stream of this name (404)" in message
    assert "Waiting will not fix this" in message
    assert watched.events[0].reason == "not found"


def test_a_login_that_is_refused_later_is_waited_for(fault_camera: StartCamera) -> None:
    """What has worked may work again: a camera that boots answers 404 or 401 for a while."""
    camera = fault_camera("ok")
    with Watched([camera.url], LIMITS, longest_wait_s=0.5) as watched:
        watched.frames(3, START_S)
        camera.kill()
        camera.start_again("missing")
        watched.wait_for("404", lambda: any(e.reason == "not found" for e in watched.events), START_S)
        camera.kill()
        camera.start_again("ok")
        watched.event("recovered", START_S)
    assert watched.error is None


def test_an_unknown_host_ends_it() -> None:
    name = "camera-of-nobody.invalid"
    try:
        socket.getaddrinfo(name, 554)
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            pytest.skip(f"no name service here that would know the name to be unknown: {error}")
    with Watched([f"rtsp://user:hunter22@{name}/live"], LIMITS) as watched:
        message = refused(watched)
    assert "there is no host of this name" in message
    assert watched.events[0].reason == "unknown host"
    assert "hunter22" not in message


def test_a_port_that_is_none_ends_it() -> None:
    with Watched(["rtsp://127.0.0.1:99999/live"], LIMITS) as watched:
        message = refused(watched)
    assert "the host or port is not written as one" in message


def test_a_bad_camera_beside_a_good_one_fails_alone(fault_camera: StartCamera) -> None:
    with Watched([fault_camera("missing").url, fault_camera("ok").url], LIMITS) as watched:
        watched.event("failed", START_S)
        count = len(watched.frames(1, START_S))
        watched.frames(count + 10, START_S)
        assert not watched.ended
    assert watched.error is None


def test_something_that_speaks_no_rtsp_is_no_crash() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"
        with Watched([url], LIMITS) as watched:
            client, _ = server.accept()
            with client:
                client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 200)
            lost = watched.wait_for("word", lambda: next(iter(watched.events), None), START_S)
    assert lost.kind in ("lost", "failed")
    assert "killed" not in lost.reason


@pytest.mark.parametrize(
    "place", ["file:///{clip}", "concat:{clip}|{clip}", "rtsp://127.0.0.1:1/live", "http://127.0.0.1:1/a"]
)
def test_a_camera_cannot_send_us_to_a_file_of_this_machine(clip: Path, place: str) -> None:
    answer = f"RTSP/1.0 302 Moved\r\nCSeq: {{}}\r\nLocation: {place.format(clip=clip)}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"
        with Watched([url], LIMITS) as watched:
            server.settimeout(START_S)
            client, _ = server.accept()
            with client:
                for number in range(1, 4):
                    if b"CSeq" not in client.recv(2000):
                        break
                    client.sendall(answer.format(number).encode())
            first = watched.wait_for("word", lambda: next(iter(watched.events), None), START_S)
            assert watched.source.cameras[0].connections == 0
    assert first.kind in ("lost", "failed")
    assert first.reason != "killed"
