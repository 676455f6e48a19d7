"""Where messages go: a broker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from edgeseg.console.quantities import number
from edgeseg.errors import UserError
from edgeseg.runtime.events.redact import redact, split_url

PORTS = {"mqtt": 1883, "mqtts": 8883}
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?/?")
_TOPIC = re.compile(r"[^+#\x00-\x1f/]+(/[^+#\x00-\x1f/]+)*")


@dataclass(frozen=True)
class Broker:
    """An MQTT broker as its address names it; only :attr:`shown` is ever said."""

    host: str
    port: int
    is_encrypted: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, address: str) -> Broker:
        """Read ``mqtt://user:password@host:1883``, or ``mqtts://`` for TLS.

        Raises:
            UserError: it is no such address; the message hides its credentials.

        >>> Broker.parse("mqtts://box:p@ss@broker.lan").password
        'p@ss'
        """
        url = split_url(address)
        found = _HOST.fullmatch(url.rest) if url is not None and url.scheme in PORTS else None
        port = int(found["port"] or PORTS[url.scheme]) if url and found else 0
        if url is None or found is None or not 0 < port < 65536:
            raise UserError(f"`mqtt` is mqtt://HOST:PORT or mqtts://HOST:PORT; found {redact(address)!r}.")
        return cls(found["host"].strip("[]"), port, url.scheme == "mqtts", url.user, url.password)


@dataclass(frozen=True)
class MqttSettings:
    """Where states and alarms go over MQTT.

    Attributes:
        mqtt: ``mqtt://user:password@host:1883``, or ``mqtts://`` for TLS; None for nowhere.
        mqtt_topic: what every topic begins with.
        mqtt_every_s: between two states of a camera.
        mqtt_ca: PEM file: who may sign the broker's certificate; None for the system's authorities.
        mqtt_discovery: what Home Assistant's discovery topics begin with; empty for none.

    Raises:
        UserError: an address, a topic or a file that cannot be meant.

    Example:
        >>> MqttSettings("mqtt://broker.lan").broker.shown
        'broker.lan:1883'
    """

    mqtt: str | None = field(default=None, repr=False)
    mqtt_topic: str = "edgeseg"
    mqtt_every_s: float = 1
    mqtt_ca: str | None = None
    mqtt_discovery: str = "homeassistant"

    def __post_init__(self) -> None:
        number(0, 86400).expect("mqtt_every_s", self.mqtt_every_s)
        for name, topic in (("mqtt_topic", self.mqtt_topic), ("mqtt_discovery", self.mqtt_discovery or "none")):
            if not _TOPIC.fullmatch(topic) or len(topic.encode()) > 200:
                raise UserError(f"`{name}` is a topic such as home/edgeseg, without + and #; found {topic!r}.")
        if self.mqtt is None:
            if self.mqtt_ca is not None:
                raise UserError("`mqtt_ca` needs something to apply to: give `mqtt` too.")
            return
        broker = Broker.parse(self.mqtt)
        if self.mqtt_ca is not None and not broker.is_encrypted:
            raise UserError("`mqtt_ca` is for mqtts://, and `mqtt` is not encrypted. Use mqtts://, or leave it out.")
        if self.mqtt_ca is not None:
            check_ca(Path(self.mqtt_ca))

    @property
    def broker(self) -> Broker:
        """The broker of :attr:`mqtt`."""
        return Broker.parse(self.mqtt or "")


def check_ca(path: Path) -> None:
    """Raise UserError for a file that holds no certificate that can be read."""
    import ssl

    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or "no certificate in PEM is in it"
        raise UserError(f"`mqtt_ca` cannot be read: {path}: {reason}.") from error
