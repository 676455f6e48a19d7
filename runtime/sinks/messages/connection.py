"""A connection to an MQTT broker that comes and goes, and what waits meanwhile."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from edgeseg.console.extras import require
from edgeseg.runtime.events.event import Event, OnEvent
from edgeseg.runtime.sinks.messages.settings import MqttSettings

WAITING = 1000
"""So many messages that must arrive, such as alarms, wait for a broker that is away; others are lost and counted."""
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 1, 30
_CONNECT_S, _FLUSH_S = 3.0, 1.0
_SURE = 1


class Connection:
    """Publishes to a broker from a thread of paho's, which connects again whenever it is lost.

    Args:
        settings: with a broker.
        will: topic and text that the broker publishes when this process is gone.
        connected: called after each connection, in paho's thread.
        command: called with topic and text of what is subscribed to, in paho's thread.
        on_event: takes ``output-stopped`` and ``output-resumed``.

    Attributes:
        lost: messages that had no room.

    Raises:
        MissingExtra: paho-mqtt is not installed.
    """

    def __init__(
        self,
        settings: MqttSettings,
        will: tuple[str, str],
        connected: Callable[[], None],
        command: Callable[[str, str], None],
        on_event: OnEvent,
    ) -> None:
        self.lost = 0
        self._mqtt = require("paho.mqtt.client", "mqtt")
        self._broker, self._will, self._on_event = settings.broker, will, on_event
        self._connected, self._command = connected, command
        self._is_away, self._lock = False, threading.Lock()
        self._client = self._make_client(settings)

    def start(self) -> None:
        """Begin to connect; nobody waits for it."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=15)
        self._client.loop_start()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted this connection."""
        return bool(self._client.is_connected())

    def publish(self, topic: str, text: str, sure: bool = False, retain: bool = False) -> bool:
        """Publish without waiting; what is not ``sure`` is left out while the broker is away.

        Returns:
            False where it was lost, which is counted for what is ``sure``.
        """
        if not sure and not self.is_connected:
            return False
        done = self._client.publish(topic, text, qos=_SURE if sure else 0, retain=retain)
        if done.rc == self._mqtt.MQTT_ERR_QUEUE_SIZE:
            self.lost += 1
            return False
        return True

    def subscribe(self, topic: str) -> None:
        """Ask for commands."""
        self._client.subscribe(topic, qos=_SURE)

    def close(self) -> None:
        """Say that this run is over, give what waits a second to leave, and disconnect."""
        if self.is_connected:
            last = self._client.publish(*self._will, qos=_SURE, retain=True)
            due_s = time.monotonic() + _FLUSH_S
            while not last.is_published() and self.is_connected and time.monotonic() < due_s:
                time.sleep(0.01)
        self._client.on_disconnect = None
        self._client.disconnect()

    def _make_client(self, settings: MqttSettings) -> Any:
        mqtt = self._mqtt
        name = f"edgeseg-{socket.gethostname()}-{os.getpid()}"
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
        client.connect_timeout = _CONNECT_S
        client.max_queued_messages_set(WAITING)
        client.reconnect_delay_set(_SHORTEST_WAIT_S, _LONGEST_WAIT_S)
        client.will_set(*self._will, qos=_SURE, retain=True)
        if self._broker.user:
            client.username_pw_set(self._broker.user, self._broker.password or None)
        if self._broker.is_encrypted:
            client.tls_set(ca_certs=settings.mqtt_ca)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_message = self._on_connect_fail, self._on_message
        return client

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._say_away(str(reason))
            return
        if self._is_away:
            self._is_away = False
            message = f"the broker {self._broker.shown} is back; {self.lost} messages are missing."
            self._on_event(Event("output-resumed", "mqtt", message, facts={"missing": self.lost}))
        self._connected()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._say_away(str(reason))

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._say_away("it cannot be reached")

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        if len(message.payload) <= 16:
            self._command(message.topic, message.payload.decode("ascii", "replace"))

    def _say_away(self, reason: str) -> None:
        """Say it once until the broker is back."""
        with self._lock:
            if self._is_away:
                return
            self._is_away = True
        message = (
            f"the broker {self._broker.shown} is away: {reason}. Inference goes on, {WAITING} messages wait, and it is "
            f"connected to again after {_SHORTEST_WAIT_S} to {_LONGEST_WAIT_S} s."
        )
        self._on_event(Event("output-stopped", "mqtt", message, "output"))
