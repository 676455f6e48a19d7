"""Encrypted cameras: a certificate is verified, and what is wrong with it is said with the flags that help."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import cv2
import marked_picture
import pytest
from fault_camera import StartCamera
from snapshot_camera import SnapshotCamera
from tls_front import Certificates, TlsFront, fingerprint
from watched import Watched

from edgeseg.errors import UserError
from edgeseg.runtime.cameras.capture.tls_trust import Trust
from edgeseg.runtime.cameras.capture_process import Limits

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command makes the certificates")
START_S = 60


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def right(certificates: Certificates) -> Path:
    return certificates.signed("right", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def own(certificates: Certificates) -> Path:
    return certificates.of_its_own("own")


def watched(front: TlsFront, trust: Trust) -> Watched:
    return Watched([f"rtsps://user:hunter22@127.0.0.1:{front.port}/live"], Limits(5, 10, trust=trust))


def refusal(front: TlsFront, trust: Trust) -> str:
    """The sentence of the one event with which it ended."""
    with watched(front, trust) as camera:
        camera.wait_for("end", lambda: camera.error, START_S)
    (event,) = camera.events
    assert (event.kind, event.reason) == ("failed", "certificate")
    assert "hunter22" not in str(event)
    return event.message


def gives_pictures(front: TlsFront, trust: Trust) -> bool:
    with watched(front, trust) as camera:
        camera.frames(2, START_S)
        return camera.error is None


def test_a_signed_certificate_is_taken(fault_camera: StartCamera, certificates: Certificates, right: Path) -> None:
    with TlsFront(right, fault_camera("ok").port) as front:
        assert gives_pictures(front, Trust(ca_file=str(certificates.ca)))


def test_the_systems_authorities_are_those_of_the_environment(
    fault_camera: StartCamera, certificates: Certificates, right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    with TlsFront(right, fault_camera("ok").port) as front:
        assert gives_pictures(front, Trust())


def test_a_camera_that_signs_itself_is_refused_with_its_fingerprint(fault_camera: StartCamera, own: Path) -> None:
    with TlsFront(own, fault_camera("ok").port) as front:
        message = refusal(front, Trust())
        assert front.handshakes < 5
    assert "its certificate is not trusted: self-signed certificate" in message
    assert f"`tls_fingerprint={fingerprint(own)!r}`" in message
    assert "`tls_ca=FILE`" in message
    assert "`tls_insecure=True`" in message


def test_a_certificate_for_another_host_is_refused(fault_camera: StartCamera, certificates: Certificates) -> None:
    other = certificates.signed("other", "DNS:camera.lan")
    with TlsFront(other, fault_camera("ok").port) as front:
        assert "IP address mismatch" in refusal(front, Trust(ca_file=str(certificates.ca)))


def test_dates_are_looked_at_and_waited_for(fault_camera: StartCamera, certificates: Certificates) -> None:
    """A box without a clock battery has a wrong date until it has a network."""
    expired = certificates.signed("expired", "IP:127.0.0.1", days=0)
    time.sleep(1.1)
    with (
        TlsFront(expired, fault_camera("ok").port) as front,
        watched(front, Trust(ca_file=str(certificates.ca))) as camera,
    ):
        camera.wait_for("events", lambda: len(camera.events) >= 2, START_S)
    assert [(event.kind, event.reason) for event in camera.events[:2]] == [
        ("lost", "certificate date"),
        ("reconnecting", "certificate date"),
    ]
    assert "certificate has expired" in camera.events[0].message


def test_a_pinned_certificate_is_taken_whatever_its_name(fault_camera: StartCamera, own: Path) -> None:
    with TlsFront(own, fault_camera("ok").port) as front:
        assert gives_pictures(front, Trust(fingerprint=fingerprint(own)))


def test_another_than_the_pinned_one_is_refused(
    fault_camera: StartCamera, certificates: Certificates, own: Path, right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by whoever."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    with TlsFront(right, fault_camera("ok").port) as front:
        message = refusal(front, Trust(fingerprint=fingerprint(own)))
    assert f"its certificate has the SHA-256 {fingerprint(right)}, which is not the pinned one" in message


def test_insecure_takes_any(fault_camera: StartCamera, own: Path) -> None:
    with TlsFront(own, fault_camera("ok").port) as front:
        assert gives_pictures(front, Trust(insecure=True))


def test_https_is_verified_too(own: Path) -> None:
    with TlsFront(own, 9) as front:
        address = f"https://127.0.0.1:{front.port}/live"
        with Watched([address], Limits(5, 10)) as camera:
            camera.wait_for("end", lambda: camera.error, START_S)
    assert camera.events[0].reason == "certificate"


def test_a_snapshot_over_https_takes_a_certificate_as_a_stream_does(own: Path) -> None:
    """Cameras sign their own: refused with the fingerprint, and taken by it or by any name where that is asked for."""
    with SnapshotCamera("admin:hunter22", "MD5") as served, TlsFront(own, served.port) as front:
        served.body = cv2.imencode(".jpg", marked_picture.draw(3, 288, 480))[1].tobytes()
        address = f"https://admin:hunter22@127.0.0.1:{front.port}/snapshot.jpg"
        with Watched([address], Limits(5, 10)) as camera:
            camera.wait_for("end", lambda: camera.error, START_S)
        assert served.asked == []
        (event,) = camera.events
        assert (event.kind, event.reason) == ("failed", "certificate")
        assert fingerprint(own) in event.message
        assert "hunter22" not in str(event) + str(camera.error)
        for trust in (Trust(fingerprint=fingerprint(own)), Trust(insecure=True)):
            with Watched([address], Limits(5, 10, trust=trust)) as camera:
                assert camera.frames(1, START_S)[0].size == (288, 480)
        with Watched([address], Limits(5, 10, trust=Trust(fingerprint="ab" * 32))) as camera:
            camera.wait_for("end", lambda: camera.error, START_S)
        assert "not the pinned one" in camera.events[0].message


def test_flags_that_make_no_sense_are_refused(tmp_path: Path, own: Path) -> None:
    with pytest.raises(UserError, match="exclude each other"):
        Trust.given(str(own), None, True)
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        Trust.given(None, "12:34", False)
    with pytest.raises(UserError, match="takes a PEM file"):
        Trust.given(str(tmp_path / "none.pem"), None, False)
    colons = ":".join(fingerprint(own)[at : at + 2] for at in range(0, 64, 2)).upper()
    assert Trust.given(None, colons, False).fingerprint == fingerprint(own)
