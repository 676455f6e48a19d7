"""A real mosquitto on a port of this machine, and a client that remembers what it hears."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
needs_broker = pytest.mark.skipif(
    MOSQUITTO is None, reason="needs the broker mosquitto: apt-get install --no-install-recommends mosquitto"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    due_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < due_s, "it did not come in time"
        time.sleep(0.02)


class Broker:
    """Started, killed, and started again on the same port."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nuser root\npersistence false\n{lines}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        command = [MOSQUITTO, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Listener:
    """Hears every topic; ``said`` holds the newest text of each, ``all`` every one in order."""

    def __init__(self, port: int, user: str = "", password: str = "", ca: str | None = None) -> None:
        from paho.mqtt.client import CallbackAPIVersion, Client

        self.said: dict[str, str] = {}
        self.all: list[tuple[str, str]] = []
        self.client = Client(CallbackAPIVersion.VERSION2)
        if user:
            self.client.username_pw_set(user, password)
        if ca:
            self.client.tls_set(ca_certs=ca)
        self.client.reconnect_delay_set(0.01, 0.01)  # back before whoever is heard
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._hear
        self.client.connect_async("localhost" if ca else "127.0.0.1", port)
        self.client.loop_start()

    def _hear(self, _client: object, _data: object, message: object) -> None:
        topic, text = message.topic, message.payload.decode()  # type: ignore[attr-defined]
        self.said[topic] = text
        self.all.append((topic, text))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
