"""Which topics there are, and how Home Assistant is told of them.

::

    PREFIX/status                        online, offline (last will)             retained
    PREFIX/CAMERA/state                  what is in its newest frame, JSON       retained, at most each second
    PREFIX/CAMERA/alarm/RULE             ON, OFF                                 retained
    PREFIX/CAMERA/alarms                 each alarm as it comes and goes, JSON
    PREFIX/switch/KIND/NAME              ON, OFF: is it published?               retained
    PREFIX/switch/KIND/NAME/set          ON, OFF: a command
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgeseg.version import __version__

KINDS = ("class", "zone", "rule")
"""What can be switched."""
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")


def make_level(name: str) -> str:
    """Make one level of a topic of any name: letters, digits, dashes; distinct where that changed it.

    >>> make_level("person"), make_level("a/b+#")
    ('person', 'a-b-b92c6d')
    """
    plain = _PLAIN.sub("-", name).strip("-")
    return plain if plain == name else f"{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Topics:
    """The topics below one prefix."""

    prefix: str

    @property
    def status(self) -> str:
        """Whether this run is there."""
        return f"{self.prefix}/status"

    @property
    def commands(self) -> str:
        """A filter for every command."""
        return f"{self.prefix}/switch/+/+/set"

    def state(self, camera: str) -> str:
        """Name the topic of what is in the newest frame of a camera."""
        return f"{self.prefix}/{make_level(camera)}/state"

    def alarms(self, camera: str) -> str:
        """Name the topic of each alarm of a camera, as it comes and goes."""
        return f"{self.prefix}/{make_level(camera)}/alarms"

    def alarm(self, camera: str, rule: str) -> str:
        """Name the topic that says whether an alarm is on."""
        return f"{self.prefix}/{make_level(camera)}/alarm/{make_level(rule)}"

    def switch(self, kind: str, name: str) -> str:
        """Name the topic that says whether a class, zone or rule is published."""
        return f"{self.prefix}/switch/{kind}/{make_level(name)}"

    def read_command(self, topic: str) -> tuple[str, str] | None:
        """Return (kind, level of the name) of a command's topic; None for any other."""
        parts = topic.removeprefix(f"{self.prefix}/switch/").split("/")
        return (parts[0], parts[1]) if len(parts) == 3 and parts[2] == "set" and parts[0] in KINDS else None


def describe_entities(
    topics: Topics, discovery: str, cameras: tuple[str, ...], classes: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Describe a sensor for each class of each camera, and a switch for each class, as Home Assistant asks for it.

    Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery

    Returns:
        Topic and configuration of each.
    """
    for camera in cameras:
        for name in classes:
            found = {
                "name": f"{camera} {name}" if len(cameras) > 1 else name,
                "state_topic": topics.state(camera),
                "value_template": f"{{{{ (value_json['classes'][{json.dumps(name)}] * 100) | round(2) }}}}",
                "unit_of_measurement": "%",
                "state_class": "measurement",
            }
            yield _entity(topics, discovery, "sensor", f"{camera} {name}", found)
    for name in classes:
        switch = topics.switch("class", name)
        found = {"name": f"publish {name}", "state_topic": switch, "command_topic": f"{switch}/set"}
        yield _entity(topics, discovery, "switch", f"class {name}", found)


def describe_alarm(topics: Topics, discovery: str, camera: str, rule: str) -> tuple[str, dict[str, Any]]:
    """Describe a rule of a camera as a binary sensor: topic and configuration."""
    found = {"name": f"{camera}: {rule}", "state_topic": topics.alarm(camera, rule)}
    return _entity(topics, discovery, "binary_sensor", f"{camera} {rule}", found)


def _entity(topics: Topics, discovery: str, kind: str, name: str, found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    node, own = make_level(topics.prefix), make_level(name)
    device = {"identifiers": [node], "name": topics.prefix, "manufacturer": "edgeseg", "sw_version": __version__}
    more = {"unique_id": f"{node}_{own}", "availability_topic": topics.status, "device": device}
    return f"{discovery}/{kind}/{node}/{own}/config", {**found, **more}
