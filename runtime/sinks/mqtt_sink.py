"""States and alarms over MQTT."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Sequence
from typing import Any

from edgeseg.runtime.events.event import OnEvent, ignore_event
from edgeseg.runtime.events.redact import redact
from edgeseg.runtime.frames.analysis import Analysis
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.class_shares import class_shares
from edgeseg.runtime.sinks.messages.connection import Connection
from edgeseg.runtime.sinks.messages.settings import MqttSettings
from edgeseg.runtime.sinks.messages.topics import KINDS, Topics, describe_alarm, describe_entities, make_level
from edgeseg.runtime.sinks.sink import ClosableSink
from edgeseg.spec import ModelSpec

ON, OFF = "ON", "OFF"
FILE = "file"
"""What stands for the camera where a file is read."""


class MqttSink(ClosableSink):
    """Publishes what :mod:`edgeseg.runtime.sinks.messages.topics` lists, and listens to its commands.

    A command switches what is published of a class, a zone or a rule, and nothing about inference. A state is left out
    while the broker is away, because the next one replaces it; alarms wait.

    Args:
        settings: with a broker.
        spec: names the classes.
        sources: names of the cameras; none for a file.
        on_event: is told when the broker goes and comes.

    Raises:
        MissingExtra: paho-mqtt is not installed.
    """

    name = "mqtt"
    newest_only = False

    def __init__(
        self, settings: MqttSettings, spec: ModelSpec, sources: Sequence[str], on_event: OnEvent = ignore_event
    ) -> None:
        self._settings, self._spec = settings, spec
        self._is_named = bool(sources)
        self._cameras = tuple(redact(source) for source in sources) or (FILE,)
        self._topics = Topics(settings.mqtt_topic)
        self._off: set[tuple[str, str]] = set()
        self._due_s: dict[str, float] = {}
        self._rules: dict[tuple[str, str], bool] = {}
        will = (self._topics.status, "offline")
        self._connection = Connection(settings, will, self._greet, self._obey, on_event)
        self._started = False

    @property
    def lost(self) -> int:
        """Alarms that had no room while the broker was away."""
        return self._connection.lost

    def write(self, frame: Frame, prediction: Prediction, latency_ms: float) -> None:
        """Publish alarms at once, and the state when it is due."""
        self._expect_open()
        if not self._started:
            self._started = True
            self._connection.start()
        camera, analysis = redact(frame.source) if self._is_named else FILE, prediction.analysis
        if analysis is not None:
            self._publish_alarms(camera, analysis)
        now = time.monotonic()
        if now >= self._due_s.get(camera, 0.0) and self._connection.is_connected:
            self._due_s[camera] = now + self._settings.mqtt_every_s
            self._publish_state(camera, frame, prediction, latency_ms, analysis)

    def close(self) -> None:
        """Say ``offline`` and disconnect."""
        if not self._is_closed and self._started:
            self._connection.close()
        super().close()

    def _publish_state(
        self, camera: str, frame: Frame, prediction: Prediction, latency_ms: float, analysis: Analysis | None
    ) -> None:
        state: dict[str, Any] = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
            "index": frame.index,
            "latency_ms": round(latency_ms, 3),
            "classes": self._without_off("class", class_shares(frame, prediction.labels, self._spec)),
        }
        if analysis is not None:
            zones = analysis.to_dict().get("zones", {})
            state["zones"] = {name: zone for name, zone in zones.items() if self._is_on("zone", name)}
        self._connection.publish(self._topics.state(camera), json.dumps(state), retain=True)

    def _without_off(self, kind: str, values: dict[str, float]) -> dict[str, float]:
        return {name: value if self._is_on(kind, name) else 0.0 for name, value in values.items()}

    def _publish_alarms(self, camera: str, analysis: Analysis) -> None:
        for rule in analysis.rules:
            active = rule.active and self._is_on("rule", rule.name)
            if self._rules.get((camera, rule.name)) != active:
                self._introduce_rule(camera, rule.name)
                self._rules[camera, rule.name] = active
                topic = self._topics.alarm(camera, rule.name)
                self._connection.publish(topic, ON if active else OFF, sure=True, retain=True)
        for alarm in analysis.alarms:
            said = alarm.to_dict()
            named = (("rule", alarm.rule), ("class", alarm.class_name), ("zone", alarm.zone))
            if all(self._is_on(kind, name) for kind, name in named):
                self._connection.publish(self._topics.alarms(camera), json.dumps(said), sure=True)

    def _introduce_rule(self, camera: str, rule: str) -> None:
        """Tell Home Assistant of a rule the first time that it is met."""
        if self._settings.mqtt_discovery and (camera, rule) not in self._rules:
            topic, found = describe_alarm(self._topics, self._settings.mqtt_discovery, camera, rule)
            self._connection.publish(topic, json.dumps(found), sure=True, retain=True)

    def _greet(self) -> None:
        """Say what there is, after each connection: a broker that was away may have forgotten it."""
        connection, topics, discovery = self._connection, self._topics, self._settings.mqtt_discovery
        connection.subscribe(topics.commands)
        if discovery:
            for topic, found in describe_entities(topics, discovery, self._cameras, self._spec.classes):
                connection.publish(topic, json.dumps(found), retain=True)
        for name in self._spec.classes:
            self._say_switch("class", make_level(name))
        for (camera, rule), active in list(self._rules.items()):
            connection.publish(topics.alarm(camera, rule), ON if active else OFF, retain=True)
        connection.publish(topics.status, "online", sure=True, retain=True)
        self._due_s.clear()

    def _is_on(self, kind: str, name: str) -> bool:
        return (kind, make_level(name)) not in self._off

    def _obey(self, topic: str, text: str) -> None:
        """Switch something; what is no command is passed over."""
        command = self._topics.read_command(topic)
        if command is None or text not in (ON, OFF) or command[0] not in KINDS or len(self._off) > 1000:
            return
        (self._off.discard if text == ON else self._off.add)(command)
        self._say_switch(*command)
        self._due_s.clear()

    def _say_switch(self, kind: str, level: str) -> None:
        text = OFF if (kind, level) in self._off else ON
        self._connection.publish(f"{self._topics.prefix}/switch/{kind}/{level}", text, retain=True)
