"""MQTT against a real broker: states, alarms, availability, commands, and a broker that goes and comes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_model import ArtifactMaker

pytest.importorskip("paho.mqtt.client", reason="needs the extra mqtt")

from mqtt_broker import Broker, Listener, free_port, needs_broker, wait_until
from tls_front import Certificates

from edgeseg.errors import OutputError, UserError
from edgeseg.runtime.events.event import Event
from edgeseg.runtime.frames.analysis import AlarmEvent, Analysis, RuleState, ZoneState
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.messages.settings import Broker as Address
from edgeseg.runtime.sinks.messages.settings import MqttSettings
from edgeseg.runtime.sinks.mqtt_sink import MqttSink
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("background", "per<b>son", 'a/b"#'), 24, 32)


def make_rule(name: str, active: bool) -> RuleState:
    return RuleState(name, "per<b>son in door > 2%", active, 3.0, 2.0, "%")


def make_alarm(rule: str, state: str) -> AlarmEvent:
    return AlarmEvent(rule, "per<b>son in door > 2%", state, "per<b>son", "door", 3.0, "%", 1.0)


def make_found(rules: tuple[RuleState, ...] = (), alarms: tuple[AlarmEvent, ...] = ()) -> Analysis:
    zones = (ZoneState("door", {"per<b>son": 0.5}),)
    return Analysis({"per<b>son": 0.5}, zones=zones, rules=rules, alarms=alarms)


def write(sink: MqttSink, label: int = 1, found: Analysis | None = None, source: str = "cam") -> None:
    prediction = Prediction(np.full((24, 32), label, np.uint8), analysis=found)
    sink.write(Frame(np.zeros((24, 32, 3), np.uint8), 0, time.monotonic(), source), prediction, 5.0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    made = Listener(broker.port)
    wait_until(made.client.is_connected)
    yield made
    made.close()


def open_sink(port: int, events: list[Event] | None = None, **more: Any) -> MqttSink:
    settings = MqttSettings(f"mqtt://127.0.0.1:{port}", **{"mqtt_every_s": 0.0, **more})
    return MqttSink(settings, SPEC, ("cam",), (events if events is not None else []).append)


def keep_writing(sink: MqttSink, listener: Listener, topic: str, found: Analysis | None = None) -> None:
    def has_come() -> bool:
        write(sink, found=found)
        return topic in listener.said

    wait_until(has_come)


@needs_broker
def test_states_alarms_and_availability(broker: Broker, listener: Listener) -> None:
    sink = open_sink(broker.port)
    keep_writing(sink, listener, "edgeseg/cam/state", make_found((make_rule("door", False),)))
    wait_until(lambda: listener.said.get("edgeseg/status") == "online")
    state = json.loads(listener.said["edgeseg/cam/state"])
    assert state["classes"] == {"background": 0.0, "per<b>son": 1.0, 'a/b"#': 0.0}
    assert state["zones"]["door"]["shares"] == {"per<b>son": 0.5}
    write(sink, found=make_found((make_rule("door", True),), (make_alarm("door", "raised"),)))
    wait_until(lambda: listener.said.get("edgeseg/cam/alarm/door") == "ON")
    wait_until(lambda: "edgeseg/cam/alarms" in listener.said)
    said = json.loads(listener.said["edgeseg/cam/alarms"])
    assert (said["rule"], said["state"], said["zone"]) == ("door", "raised", "door")
    sink.close()
    wait_until(lambda: listener.said["edgeseg/status"] == "offline")
    with pytest.raises(OutputError):
        write(sink)


@needs_broker
def test_home_assistant_is_told_of_classes_and_rules(broker: Broker, listener: Listener) -> None:
    sink = open_sink(broker.port)
    keep_writing(sink, listener, "edgeseg/status", make_found((make_rule("door", False),)))
    configs = {topic: json.loads(text) for topic, text in listener.said.items() if topic.startswith("homeassistant/")}
    sensors = [found for topic, found in configs.items() if "/sensor/" in topic]
    assert len(sensors) == 3
    assert len({found["unique_id"] for found in configs.values()}) == len(configs)
    assert [found["state_topic"] for topic, found in configs.items() if "/binary_sensor/" in topic] == [
        "edgeseg/cam/alarm/door"
    ]
    assert all(found["availability_topic"] == "edgeseg/status" for found in configs.values())
    jinja = pytest.importorskip("jinja2", reason="renders templates as Home Assistant does")
    values = {"classes": {"background": 0.25, "per<b>son": 0.5, 'a/b"#': 0.75}}
    shown = {jinja.Template(found["value_template"]).render(value_json=values) for found in sensors}
    assert shown == {"25.0", "50.0", "75.0"}
    sink.close()


@needs_broker
def test_home_assistant_reads_the_topic_that_a_file_is_told_on(broker: Broker, listener: Listener) -> None:
    sink = MqttSink(MqttSettings(f"mqtt://127.0.0.1:{broker.port}", mqtt_every_s=0.0), SPEC, ())
    keep_writing(sink, listener, "edgeseg/file/state")
    sensors = [json.loads(text) for topic, text in listener.said.items() if "/sensor/" in topic]
    assert {found["state_topic"] for found in sensors} == {"edgeseg/file/state"}
    sink.close()


@needs_broker
def test_a_command_switches_what_is_published(broker: Broker, listener: Listener) -> None:
    sink = open_sink(broker.port)
    keep_writing(sink, listener, "edgeseg/status")
    switch = next(topic for topic in listener.said if topic.startswith("edgeseg/switch/class/per-b-son"))
    for topic, text in ((f"{switch}/set", "OFF"), ("edgeseg/switch/rule/door/set", "OFF")):
        listener.client.publish(topic, text)
    for nonsense in ("edgeseg/switch/engine/all/set", "edgeseg/switch/class/x/set"):
        listener.client.publish(nonsense, "DROP TABLE" * 100)
    wait_until(lambda: listener.said.get("edgeseg/switch/rule/door") == "OFF")
    assert listener.said[switch] == "OFF"

    def is_without() -> bool:
        write(sink, found=make_found((make_rule("door", True),), (make_alarm("door", "raised"),)))
        return not any(json.loads(listener.said["edgeseg/cam/state"])["classes"].values())

    wait_until(is_without)
    assert listener.said["edgeseg/cam/alarm/door"] == "OFF"
    assert "edgeseg/cam/alarms" not in listener.said
    listener.client.publish("edgeseg/switch/rule/door/set", "ON")
    wait_until(lambda: listener.said.get("edgeseg/switch/rule/door") == "ON")
    write(sink, found=make_found((make_rule("door", True),)))
    wait_until(lambda: listener.said["edgeseg/cam/alarm/door"] == "ON")
    sink.close()


@needs_broker
def test_alarms_wait_for_a_broker_that_is_killed_and_comes_back(broker: Broker, listener: Listener) -> None:
    events: list[Event] = []
    sink = open_sink(broker.port, events)
    keep_writing(sink, listener, "edgeseg/status")
    broker.kill()
    wait_until(lambda: [event.kind for event in events] == ["output-stopped"])
    began = time.monotonic()
    for number in range(5):
        write(sink, found=make_found((), (make_alarm(f"rule {number}", "raised"),)))
    assert time.monotonic() - began < 0.5, "nobody waits for a broker"
    listener.said.clear()
    broker.start()
    wait_until(lambda: listener.said.get("edgeseg/status") == "online", 20)
    wait_until(lambda: len([1 for topic, _ in listener.all if topic == "edgeseg/cam/alarms"]) >= 5)
    rules = [json.loads(text)["rule"] for topic, text in listener.all if topic == "edgeseg/cam/alarms"]
    assert sorted(set(rules)) == [f"rule {number}" for number in range(5)]
    assert events[-1].kind == "output-resumed"
    sink.close()


def test_what_finds_no_room_is_counted_and_nobody_waits() -> None:
    sink = open_sink(free_port())
    began = time.monotonic()
    for number in range(1200):
        write(sink, found=make_found((), (make_alarm(str(number), "raised"),)))
    assert sink.lost == 200
    assert time.monotonic() - began < 5
    sink.close()


@needs_broker
def test_the_last_will_speaks_for_a_run_that_was_killed(
    tmp_path: Path, broker: Broker, listener: Listener, tiny_artifact: ArtifactMaker
) -> None:
    words = ["run", str(tiny_artifact("openvino").path), "--source", "test://cells?fps=10&size=64x48"]
    more = ["--mqtt", f"mqtt://127.0.0.1:{broker.port}", "--mqtt-topic", "site/box", "--no-supervise"]
    with subprocess.Popen([sys.executable, "-m", "edgeseg", *words, *more], stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: listener.said.get("site/box/status") == "online", 60)
        wait_until(lambda: any(topic.endswith("/state") for topic in listener.said))
        process.kill()
    wait_until(lambda: listener.said["site/box/status"] == "offline")


@needs_broker
def test_a_wrong_password_is_said_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    made = Broker(tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'users'}")
    made.start()
    events: list[Event] = []
    settings = MqttSettings(f"mqtt://box:s3cret-p@ss@127.0.0.1:{made.port}")
    sink = MqttSink(settings, SPEC, ("cam",), events.append)
    try:
        write(sink)
        wait_until(lambda: events)
        sink.close()
    finally:
        made.kill()
    assert "is away: Not authorized" in events[0].message
    assert "s3cret" not in repr((events, settings, settings.broker))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"mqtt": "http://box:geheim@broker"},
            r"`mqtt` is mqtt://HOST:PORT or mqtts://HOST:PORT; found 'http://\*\*\*@",
        ),
        ({"mqtt": "mqtt://broker:99999"}, "`mqtt` is"),
        ({"mqtt": "mqtt://"}, "`mqtt` is"),
        ({"mqtt_topic": "a/#"}, "`mqtt_topic` is a topic"),
        ({"mqtt_ca": "ca.pem"}, "`mqtt_ca` needs something to apply to"),
        ({"mqtt": "mqtt://broker", "mqtt_ca": "ca.pem"}, "is not encrypted"),
        ({"mqtt": "mqtts://broker", "mqtt_ca": "no.pem"}, "`mqtt_ca` cannot be read: no.pem: No such file"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as refused:
        MqttSettings(**given)  # type: ignore[arg-type]
    assert "geheim" not in str(refused.value)


def test_ports_and_logins_of_addresses() -> None:
    assert Address.parse("mqtt://b").port == 1883
    found = Address.parse("mqtts://u:p%2Fw@[::1]:99/")
    assert (found.host, found.port, found.user, found.password) == ("::1", 99, "u", "p/w")


@needs_broker
def test_an_encrypted_broker_is_known_by_its_certificate(tmp_path: Path, tiny_artifact: ArtifactMaker) -> None:
    certificates = Certificates(tmp_path)
    certificates.signed("broker", "IP:127.0.0.1,DNS:localhost")
    files = (("cafile", "ca.pem"), ("certfile", "broker.pem"), ("keyfile", "broker.key"))
    lines = "\n".join(f"{name} {tmp_path / file}" for name, file in files)
    made = Broker(tmp_path, f"allow_anonymous true\n{lines}")
    made.start()
    address = f"mqtts://127.0.0.1:{made.port}"
    listener = Listener(made.port, ca=str(certificates.ca))
    words = ["run", str(tiny_artifact("openvino").path), "--source", "test://cells?fps=20&size=64x48"]
    command = [sys.executable, "-m", "edgeseg", *words, "--max-frames", "25", "--no-supervise", "--mqtt", address]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)

    try:
        wait_until(listener.client.is_connected)
        stranger = run()
        assert (stranger.returncode, listener.said) == (0, {})
        assert f"the broker 127.0.0.1:{made.port} is away" in stranger.stderr
        known = run("--mqtt-ca", str(certificates.ca))
        assert "is away" not in known.stderr
        wait_until(lambda: listener.said.get("edgeseg/status") == "offline")
    finally:
        listener.close()
        made.kill()
