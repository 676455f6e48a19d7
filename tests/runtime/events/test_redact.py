"""Camera addresses: what is sent to the camera, and what is shown of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeseg.runtime.events.redact import redact, redact_values, scrub, split_url


@pytest.mark.parametrize(
    ("text", "password", "host"),
    [
        ("rtsp://10.0.0.2/1", "", "10.0.0.2/1"),
        ("rtsp://user@10.0.0.2/1", "", "10.0.0.2/1"),
        ("rtsp://user:plain@10.0.0.2/1", "plain", "10.0.0.2/1"),
        ("rtsp://user:p@ss@10.0.0.2/1", "p@ss", "10.0.0.2/1"),
        ("rtsp://user:pa/ss@10.0.0.2/1", "pa/ss", "10.0.0.2/1"),
        ("rtsp://user:pa#ss@10.0.0.2/1", "pa#ss", "10.0.0.2/1"),
        ("rtsp://user:pa?ss@10.0.0.2/1", "pa?ss", "10.0.0.2/1"),
        ("rtsp://user:#?/@10.0.0.2:554/1", "#?/", "10.0.0.2:554/1"),
        ("rtsp://user:p@s/s@10.0.0.2/1", "p@s/s", "10.0.0.2/1"),
        ("rtsp://user:p@s#?s@camera:8554/1", "p@s#?s", "camera:8554/1"),
        ("rtsp://user:p:q@camera/1", "p:q", "camera/1"),
        ("rtsp://user:p%40ss%2Fword@camera/1", "p@ss/word", "camera/1"),
        ("rtsp://user:pass@[fe80::1]:554/1", "pass", "[fe80::1]:554/1"),
        ("rtsp://[fe80::1]:554/1", "", "[fe80::1]:554/1"),
        ("rtsp://user:pass@10.0.0.2/mail@example.org", "pass", "10.0.0.2/mail@example.org"),
        ("rtsp://user:pass@camera/mail@home", "pass", "camera/mail@home"),
        ("rtsp://10.0.0.2:554/mail@home", "", "10.0.0.2:554/mail@home"),
    ],
)
def test_user_password_and_host_are_told_apart(text: str, password: str, host: str) -> None:
    url = split_url(text)
    assert (url.password, url.rest) == (password, host)
    again = split_url(url.encoded)
    assert (again.user, again.password, again.rest) == (url.user, url.password, url.rest)


def test_libraries_get_the_password_percent_encoded() -> None:
    encoded = split_url("RTSP://ad min:a@b/c#d?e%25@10.0.0.2/1").encoded
    assert encoded == "rtsp://ad%20min:a%40b%2Fc%23d%3Fe%25@10.0.0.2/1"


@pytest.mark.parametrize("secret", ["hunter22", "p@ss/wo#rd?", "a'b\"c", "12/34", "#?/", "@@@", "p%40ss", ":::"])
@pytest.mark.parametrize("sentence", ["{}", "cannot open {}: timeout", "'{}'", '"{}" and more', "({}), see {}", "<{}>"])
def test_no_sentence_shows_a_password(secret: str, sentence: str) -> None:
    shown = redact(sentence.replace("{}", f"rtsp://admin:{secret}@10.0.0.2:554/stream"))
    assert secret not in shown
    assert "admin" not in shown
    assert "rtsp://***@10.0.0.2:554/stream" in shown


@pytest.mark.parametrize(
    "address",
    [
        "http://cam/video.cgi?user=admin&pwd={}",
        "http://cam/video.cgi?loginuse=admin&loginpas={}",
        "http://cam/mjpg?channel=1&token={}&fps=5",
        "https://cam/live.m3u8?X-Amz-Signature={}",
        "rtsp://cam:554/user=admin_password={}_channel=1_stream=0.sdp",
        "http://cam/snap?usr=admin&psw={}",
    ],
)
def test_passwords_among_the_parameters_are_hidden(address: str) -> None:
    shown = redact(f"lost {address.format('hunter22')} again")
    assert "hunter22" not in shown
    assert "admin" not in shown
    assert shown.startswith("lost http" if "http" in address else "lost rtsp")
    assert shown.endswith(" again")


def test_what_holds_no_password_stays_readable() -> None:
    text = "front: rtsp://10.0.0.2:554/Streaming/Channels/101?transport=tcp is lost, test://cells?fps=30 is not."
    assert redact(text) == text


def test_every_form_of_the_password_is_scrubbed_from_foreign_words() -> None:
    address = "rtsp://user:p@ss/word@10.0.0.2/1"
    for form in ("p@ss/word", "p%40ss%2Fword", "p%40ss/word", address, split_url(address).encoded):
        said = scrub(f"[rtsp @ 0x1] method DESCRIBE failed with {form} at 12", address)
        assert "ss" not in said.replace("***", "")
        assert said.endswith(" at 12")


def test_a_password_of_a_few_letters_is_not_given_away_by_hiding_it_in_words() -> None:
    assert scrub("nothing was received for 5 s", "rtsp://user:a@10.0.0.2/1") == "nothing was received for 5 s"


@pytest.mark.parametrize(
    "text",
    [
        "{}@10.0.0.2/1",
        "rtsp:/{}@10.0.0.2/1",
        "rtsp:{}@10.0.0.2/1",
        "rtsp:///{}@10.0.0.2/1",
        "rtsp//{}@10.0.0.2/1",
        "rtsp;//{}@10.0.0.2/1",
        "rtsp:\\\\{}@10.0.0.2/1",
        "//{}@10.0.0.2/1",
        "{}@camera/1",
        "{}@[fe80::1]:554/1",
        "--sorce={}@10.0.0.2/1",
        "'{}@camera' cannot be read.",
        "{{'source': 'rtsp:/{}@10.0.0.2/1'}}",
        "front {}@10.0.0.2/1",
        "gst://rtspsrc location=rtsp://{}@10.0.0.2/1 ! decodebin",
        "gst://rtspsrc location=rtsp:/{}@10.0.0.2/1 ! decodebin",
    ],
)
@pytest.mark.parametrize(
    "login", ["admin:hunter22", "admin:hun@ter22", "admin:hun/ter22", "admin:12:30hunter", ":hunter22"]
)
def test_mistyped_addresses_show_no_password(text: str, login: str) -> None:
    shown = redact(text.format(login))
    assert not any(part in shown for part in ("admin", "hun", "ter22", "12:30")), shown
    assert "***@" in shown


@pytest.mark.parametrize(
    "text",
    [
        "http://camera/v?u=admin&p=hunter22",
        "http://camera/v?u=admin&p=hunter22&fps=5",
        "camera/v?u=admin&p=hunter22",
        "10.0.0.2:554/user=admin&password=hunter22&channel=1",
        "10.0.0.2/channel=1&user=admin&password=hunter22",
        "http://camera/v?channel=1&usr=admin&pwd=hunter22",
        "http://camera/v?usr=admin&pwd=hunter22&ter22&fps=3",
        "camera/user=admin_password=hunter22_channel=1_stream=0.sdp",
        "gst://rtspsrc location=rtsp://10.0.0.2/1 user-id=admin user-pw=hunter22 ! decodebin",
        'gst://rtspsrc location=rtsp://10.0.0.2/1 user-id=admin user-pw="hunter22 ter22" ! decodebin',
        "http://camera/v?uid=admin&api_token=hunter22",
    ],
)
def test_passwords_in_queries_of_every_kind_are_hidden(text: str) -> None:
    shown = redact(f"lost {text} again")
    assert not any(part in shown for part in ("admin", "hunter22", "ter22")), shown
    assert shown.endswith(" again")


@pytest.mark.parametrize(
    "text",
    [
        "in/a@2x.png is not there",
        "C:\\Users\\me\\a@2x.png is not there",
        "D:/pics/b@2x.png",
        "snap_2026-11-26T12:30:01@cam1.png",
        "at 12:30 the mail came from me@example.org",
        "git@example.org:owner/repository",
        "front: lost: nothing was received for 5 s.",
        "/a/b:c/d.png: no picture; see 12:30:45",
        "argument --slots: invalid int value: 'two'",
        "class key=3 of 5 frames",
        "test://cells?fps=30&size=64x64&seed=2",
    ],
)
def test_normal_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_values_are_redacted_wherever_they_stand() -> None:
    values = {"a": ["rtsp://u:hunter22@h/1", 1], "b": {"c": ("u:hunter22@h",)}, "d": None}
    assert redact_values(values) == {"a": ["rtsp://***@h/1", 1], "b": {"c": ["***@h"]}, "d": None}


@pytest.mark.parametrize(
    "address",
    ["admin:hunter22@10.0.0.2/1", "rtsp:/admin:hunter22@10.0.0.2/1", "http://10.0.0.2/v?u=admin&p=hunter22&x"],
)
@pytest.mark.parametrize("where", ["source", "artifact", "unknown", "table", "list", "line", "flag", "broken"])
def test_no_verb_says_a_password(address: str, where: str, tmp_path: Path) -> None:
    config = tmp_path / "camera.toml"
    text = {
        "source": f'source = "{address}"',
        "artifact": f'artifact = "{address}"\nsource = "test://cells"',
        "unknown": f'sorce = "{address}"',
        "table": f'source = {{ address = "{address}", password = "hunter22" }}',
        "list": f'source = ["{address}"]',
        "broken": f'source = "{address}',
    }.get(where, "")
    config.write_text(text)
    words = {"line": ["--source", address], "flag": ["--sorce", address]}.get(where, ["--config", str(config)])
    form = ("--log-json",) if where in ("source", "list", "line") else ()
    if where in ("source", "line"):
        words.append(str(tmp_path))
    command = [sys.executable, "-m", "edgeseg", "run", *words, *form, "--max-frames", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "hunter22" not in done.stdout + done.stderr
