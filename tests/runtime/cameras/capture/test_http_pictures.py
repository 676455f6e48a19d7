"""Asking for a picture over HTTP: logins, kept connections, redirects, and answers that are none."""

from __future__ import annotations

import time
from contextlib import closing
from email.message import Message

import pytest
from snapshot_camera import SnapshotCamera

from edgeseg.runtime.cameras.capture import http_pictures
from edgeseg.runtime.cameras.capture.http_login import HttpLogin, digest_answer
from edgeseg.runtime.cameras.capture.http_pictures import HttpAnswer, HttpPictures
from edgeseg.runtime.cameras.capture.snapshot_reader import conditions_after
from edgeseg.runtime.cameras.capture.stream_fault import StreamFault

LOGIN = "admin:p@ss/word #1"
ENCODED = "admin:p%40ss%2Fword%20%231"


QUERY = "snapshot.jpg?channel=1&size=a%20b"


def ask(url: str, timeout_s: float = 5) -> HttpAnswer:
    with closing(HttpPictures(url, timeout_s)) as pictures:
        return pictures.get({})


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_answers_are_those_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = {
        "realm": "http-auth@example.org",
        "qop": "auth, auth-int",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }
    login, client_nonce = ("Mufasa", "Circle of Life"), "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    assert f'response="{response}"' in digest_answer(challenge, login, "GET", "/dir/index.html", client_nonce, 1)


def test_a_digest_without_quality_is_that_of_rfc_2069() -> None:
    answer = digest_answer({"realm": "r", "nonce": "n"}, ("u", "p"), "GET", "/", "unused", 1)
    assert "qop" not in answer
    assert "cnonce" not in answer


def test_the_strongest_login_that_is_offered_is_used() -> None:
    login = HttpLogin("u", "p")
    asked = ['Digest realm="c", nonce="n", algorithm=MD5', 'Digest realm="c", nonce="n", algorithm=SHA-256', "Basic"]
    login.take_challenge(['Basic realm="c"', *asked])
    assert "algorithm=SHA-256" in str(login.authorization("GET", "/"))
    login.take_challenge(["Basic"])
    assert str(login.authorization("GET", "/")).startswith("Basic ")
    with pytest.raises(StreamFault, match="negotiate"):
        login.take_challenge(["Negotiate"])


@pytest.mark.parametrize("digest", ["", "MD5", "SHA-256"])
def test_a_login_is_answered_and_one_connection_kept(digest: str) -> None:
    with SnapshotCamera(LOGIN, digest) as camera, closing(HttpPictures(camera.url(QUERY, ENCODED), 5)) as pictures:
        for _ in range(3):
            assert pictures.get({}).body == camera.body
        assert camera.connections == 1
        assert len(camera.asked) == 3 + 1  # the first without a login
        camera.nonce = "second"
        assert pictures.get({}).status == 200


def test_a_wrong_password_is_said_and_not_tried_again_and_again() -> None:
    with SnapshotCamera(LOGIN, "MD5") as camera:
        for login in ("admin:wrong", ""):
            with pytest.raises(StreamFault, match="401") as caught:
                ask(camera.url(login=login))
            assert caught.value.reason == "unauthorized"
        assert len(camera.asked) == 3


def test_a_connection_that_was_kept_and_closed_meanwhile_is_opened_again() -> None:
    with SnapshotCamera() as camera, closing(HttpPictures(camera.url(), 5)) as pictures:
        camera.closes = True
        assert [pictures.get({}).status for _ in range(3)] == [200] * 3
        assert camera.connections == 3


def test_a_redirect_is_followed_and_takes_the_login_to_no_other_host() -> None:
    with SnapshotCamera() as other, SnapshotCamera(LOGIN) as camera:
        camera.location = "/snapshot.jpg?x=1"
        assert ask(camera.url("start", ENCODED)).status == 200
        camera.location = other.url(host="localhost")
        assert ask(camera.url("start", ENCODED)).body == other.body
        assert all("Authorization" not in headers for headers in other.asked)


@pytest.mark.parametrize(
    ("location", "sentence"),
    [("/away", "without an end"), ("ftp://127.0.0.1/x", "not http"), ("file:///etc/x", "not http")],
)
def test_a_redirect_without_an_end_or_to_elsewhere_is_refused(location: str, sentence: str) -> None:
    with SnapshotCamera() as camera:
        camera.location = location
        with pytest.raises(StreamFault, match=sentence):
            ask(camera.url("start"))
        assert len(camera.asked) <= 7


@pytest.mark.parametrize(("status", "reason"), [(404, "not found"), (403, "forbidden"), (503, "server error")])
def test_errors_of_the_server_are_named(status: int, reason: str) -> None:
    with SnapshotCamera() as camera:
        camera.status = status
        with pytest.raises(StreamFault, match=str(status)) as caught:
            ask(camera.url())
        assert caught.value.reason == reason


def test_a_body_that_drips_is_over_in_time() -> None:
    with SnapshotCamera() as camera:
        camera.drip_s = 0.05
        began_s = time.monotonic()
        with pytest.raises(StreamFault, match="in time"):
            ask(camera.url(), 0.4)
        assert time.monotonic() - began_s < 3


def test_a_picture_without_an_end_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_pictures, "MOST_BYTES", 1 << 16)
    with SnapshotCamera() as camera:
        camera.body = bytes(1 << 20)
        with pytest.raises(StreamFault, match="more than"):
            ask(camera.url())


def test_an_answer_that_is_cut_short_is_no_picture() -> None:
    with SnapshotCamera() as camera:
        camera.headers["Content-Length"] = str(len(camera.body) + 10)
        camera.closes = True
        with pytest.raises(StreamFault, match="closed"):
            ask(camera.url())


def test_a_stream_is_known_by_its_headers_and_not_read() -> None:
    with SnapshotCamera() as camera:
        camera.headers["Content-Type"] = "multipart/x-mixed-replace; boundary=b"
        assert ask(camera.url()).body is None


def test_nobody_there_is_said() -> None:
    with SnapshotCamera() as camera:
        url = camera.url()
    with pytest.raises(StreamFault) as caught:
        ask(url)
    assert caught.value.reason == "refused"


def test_a_time_that_is_younger_than_a_second_asks_for_nothing() -> None:
    def answer(made: str) -> Message:
        message = Message()
        message["Last-Modified"], message["Date"] = made, "Fri, 27 Nov 2026 10:00:10 GMT"
        return message

    assert conditions_after(answer("Fri, 27 Nov 2026 10:00:10 GMT")) == {}
    assert conditions_after(answer("no time")) == {}
    old = "Fri, 27 Nov 2026 10:00:01 GMT"
    assert conditions_after(answer(old)) == {"If-Modified-Since": old}
