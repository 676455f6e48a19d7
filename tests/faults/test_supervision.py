"""Whatever happens to the process that does the work, somebody notices, says so, and starts another or gives up."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from fault_camera import StartCamera
from linear_model import ArtifactMaker
from run_process import RunProcess

CELLS = "test://cells?fps=25&size=320x240"
FAULTY = str(Path(__file__).with_name("faulty_engine.py"))


@pytest.fixture(scope="module")
def artifact(tiny_artifact: ArtifactMaker) -> Path:
    return tiny_artifact("openvino").path


@pytest.fixture
def faulty(artifact: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """``faulty(fault, *flags, starts=1)``: a run whose first ``starts`` workers fail after 10 inferences."""

    def start(fault: str, *flags: object, starts: int = 1, environment: dict[str, str] | None = None) -> RunProcess:
        program = (sys.executable, FAULTY, fault, "10", str(starts), str(tmp_path / "ledger"))
        words = ("run", artifact, "--source", CELLS, *flags)
        return RunProcess(*words, program=program, environment=environment or {})

    return start


@pytest.mark.parametrize(
    ("fault", "found"), [("raise", "exit code 3"), ("segfault", "SIGSEGV"), ("hang", "has not returned for")]
)
def test_an_engine_that_fails_is_followed_by_another(faulty, fault: str, found: str) -> None:  # type: ignore[no-untyped-def]
    with faulty(fault, "--engine-timeout", "2") as run:
        run.wait_for("running")
        assert found in run.wait_for("worker-lost")["message"]
        run.wait_for("restarting")
        run.wait_for("running")
        code, seconds = run.stop()
    assert (code, run.kinds().count("worker-lost")) == (0, 1)
    assert seconds < 3


def test_a_hang_is_noticed_within_its_timeout_and_two_seconds(faulty) -> None:  # type: ignore[no-untyped-def]
    with faulty("hang", "--engine-timeout", "1.5") as run:
        began = run.wait_for("running")["heard_s"]
        lost = run.wait_for("worker-lost")
        assert lost["reason"] == "hung"
        assert lost["heard_s"] - began < 0.4 + 1.5 + 2


@pytest.mark.slow
def test_an_engine_that_freezes_the_interpreter_is_followed_by_another(faulty) -> None:  # type: ignore[no-untyped-def]
    with faulty("freeze", "--engine-timeout", "1") as run:
        assert "no sign of life" in run.wait_for("worker-lost")["message"]
        run.wait_for("running")


def test_when_restarts_do_not_help_systemd_is_left_to_it(faulty) -> None:  # type: ignore[no-untyped-def]
    with faulty("raise", "--restarts", "2", starts=9) as run:
        code = run.wait(60)
    assert code == 3
    assert run.kinds().count("restarting") == 2
    assert run.events[-1]["event"] == "gave-up"


def test_a_mistake_is_not_tried_again(artifact: Path) -> None:
    with RunProcess("run", artifact, "--source", "test://cells", "--conf", "7") as run:
        assert run.wait() == 2
    assert run.kinds() == ["error"]
    assert "--conf must lie between 0 and 1" in run.events[0]["message"]


def test_a_killed_worker_is_followed_by_another(artifact: Path) -> None:
    with RunProcess("run", artifact, "--source", CELLS) as run:
        run.wait_for("running")
        run.worker().kill()
        assert "SIGKILL" in run.wait_for("worker-lost")["message"]
        run.wait_for("running")


class TestStop:
    """SIGTERM and SIGINT end everything within three seconds, whatever goes on."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_while_frames_come(self, artifact: Path, number: signal.Signals) -> None:
        with RunProcess("run", artifact, "--source", CELLS) as run:
            run.wait_for("running")
            family = run.family()
            assert self.ends(run, number) == 0
        assert "stopped on request" in run.stdout
        assert not [process for process in family if process.is_running()]

    def test_while_the_engine_hangs(self, faulty) -> None:  # type: ignore[no-untyped-def]
        with faulty("hang") as run:
            run.wait_for("running")
            time.sleep(1)
            family = run.family()
            assert self.ends(run, signal.SIGTERM) == 0
        assert not [process for process in family if process.is_running()]

    def test_while_the_interpreter_is_frozen(self, faulty) -> None:  # type: ignore[no-untyped-def]
        with faulty("freeze") as run:
            run.wait_for("running")
            time.sleep(1)
            assert self.ends(run, signal.SIGTERM) == 3
        assert "killed" in run.kinds()

    def test_while_it_waits_to_start_another(self, faulty) -> None:  # type: ignore[no-untyped-def]
        with faulty("raise") as run:
            run.wait_for("restarting")
            assert self.ends(run, signal.SIGTERM) == 0

    def test_while_it_starts(self, artifact: Path) -> None:
        with RunProcess("run", artifact, "--source", CELLS) as run:
            while not run.family():
                time.sleep(0.01)
            assert self.ends(run, signal.SIGTERM) == 0

    def test_while_the_camera_is_away(self, artifact: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with RunProcess("run", artifact, "--source", f"rtsp://127.0.0.1:{port}/") as run:
            run.wait_for("reconnecting")
            assert self.ends(run, signal.SIGTERM) == 0

    def test_when_everybody_is_asked_at_once(self, artifact: Path, tmp_path: Path) -> None:
        """As service managers do that signal a whole group: the worker is asked twice, and finishes all the same."""
        with RunProcess("run", artifact, "--source", CELLS, "--save", tmp_path / "o.mkv") as run:
            run.wait_for("running")
            time.sleep(1)
            for child in run.family():
                child.terminate()
            assert self.ends(run, signal.SIGTERM) == 0
        assert "stopped on request" in run.stdout
        assert [path.name for path in tmp_path.iterdir()] == ["o.mkv"]

    @staticmethod
    def ends(run: RunProcess, number: signal.Signals) -> int:
        code, seconds = run.stop(number)
        assert seconds < 3, run.stderr
        return code


def test_nobody_stays_when_the_supervisor_is_killed(artifact: Path) -> None:
    with RunProcess("run", artifact, "--source", CELLS) as run:
        run.wait_for("running")
        family = run.family()
        assert len(family) == 2
        run.kill()
        _, alive = psutil.wait_procs(family, timeout=5)
        assert alive == []


class TestReload:
    @pytest.fixture
    def config(self, tmp_path: Path, artifact: Path) -> Path:
        path = tmp_path / "camera.toml"
        path.write_text(f'artifact = "{artifact}"\nsource = "{CELLS}"\nmax-fps = 10.0\n')
        return path

    def test_a_changed_file_is_taken_over_by_a_new_worker(self, config: Path, tmp_path: Path) -> None:
        lines = tmp_path / "new.jsonl"
        with RunProcess("run", "--config", config) as run:
            run.wait_for("running")
            before = run.worker().pid
            config.write_text(f'{config.read_text()}jsonl = "{lines}"\n')
            run.send(signal.SIGHUP)
            run.wait_for("reloaded", 5)
            run.wait_for("running")
            assert run.worker().pid != before
            code, _ = run.stop()
        assert code == 0
        assert lines.read_text().count("\n") > 0

    def test_a_wrong_file_changes_nothing(self, config: Path) -> None:
        with RunProcess("run", "--config", config) as run:
            run.wait_for("running")
            before = run.worker().pid
            config.write_text(config.read_text() + "max-fsp = 3\n")
            run.send(signal.SIGHUP)
            refused = run.wait_for("reload-refused", 5)
            assert "there is no key 'max-fsp'. Did you mean max-fps?" in refused["message"]
            assert run.worker().pid == before
            code, _ = run.stop()
        assert code == 0

    def test_without_a_file_there_is_nothing_to_read(self, artifact: Path) -> None:
        with RunProcess("run", artifact, "--source", CELLS) as run:
            run.wait_for("running")
            run.send(signal.SIGHUP)
            run.wait_for("reload-refused", 5)
            assert run.stop()[0] == 0


class Systemd:
    """The receiving end of sd_notify(3)."""

    def __init__(self, path: Path) -> None:
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.bind(str(path))
        self._link.settimeout(0.1)
        self.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}

    def states(self, seconds: float) -> list[str]:
        """What arrives within this time."""
        due_s, states = time.monotonic() + seconds, []
        while time.monotonic() < due_s:
            try:
                states.append(self._link.recv(4096).decode())
            except TimeoutError:
                continue
        return states

    def close(self) -> None:
        self._link.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listener = Systemd(tmp_path / "notify")
    yield listener
    listener.close()


class TestSystemd:
    def test_it_is_ready_with_the_first_mask_and_well_while_they_come(self, artifact: Path, systemd: Systemd) -> None:
        with RunProcess("run", artifact, "--source", CELLS, environment=systemd.environment) as run:
            run.wait_for("running")
            states = systemd.states(3)
            run.stop()
            last = systemd.states(0.5)
        assert states[0] == "READY=1"
        assert states.count("WATCHDOG=1") >= 3
        assert "STOPPING=1" in last

    def test_it_is_silent_while_none_come(self, faulty, systemd: Systemd) -> None:  # type: ignore[no-untyped-def]
        with faulty("hang", "--engine-timeout", "60", environment=systemd.environment) as run:
            run.wait_for("running")
            systemd.states(2)
            assert systemd.states(3) == []

    def test_it_is_not_ready_while_the_camera_is_away(self, artifact: Path, systemd: Systemd) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        source = f"rtsp://127.0.0.1:{port}/"
        with RunProcess("run", artifact, "--source", source, environment=systemd.environment) as run:
            run.wait_for("reconnecting")
            assert systemd.states(2) == []

    def test_a_camera_that_is_known_to_be_away_is_no_reason_to_start_anew(
        self, artifact: Path, systemd: Systemd, fault_camera: StartCamera
    ) -> None:
        """For three times what the watchdog allows; and the same process goes on when the camera is back."""
        camera = fault_camera("ok")
        words = ("run", artifact, "--source", camera.url, "--timeout", "0.5")
        with RunProcess(*words, environment=systemd.environment) as run:
            run.wait_for("running")
            camera.kill()
            run.wait_for("lost")
            systemd.states(0.1)
            assert systemd.states(3).count("WATCHDOG=1") >= 4
            camera.start_again()
            run.wait_for("recovered")
            assert systemd.states(1).count("WATCHDOG=1") >= 1
            assert "worker-lost" not in run.kinds()

    def test_frames_that_are_rarely_wanted_are_no_reason(self, artifact: Path, systemd: Systemd) -> None:
        words = ("run", artifact, "--source", CELLS, "--max-fps", "0.01")
        with RunProcess(*words, environment=systemd.environment) as run:
            run.wait_for("running")
            systemd.states(1)
            assert systemd.states(2).count("WATCHDOG=1") >= 2

    def test_it_is_well_while_another_worker_is_waited_for(self, faulty, systemd: Systemd) -> None:  # type: ignore[no-untyped-def]
        with faulty("raise", environment=systemd.environment) as run:
            run.wait_for("restarting")
            run.wait_for("running")
            states = systemd.states(1)
            assert states.count("WATCHDOG=1") >= 2

    def test_its_children_do_not_speak_for_it(self, artifact: Path, systemd: Systemd) -> None:
        with RunProcess("run", artifact, "--source", CELLS, environment=systemd.environment) as run:
            run.wait_for("running")
            assert all("NOTIFY_SOCKET" not in child.environ() for child in run.family())


@pytest.mark.parametrize("secret", ["p@ss@w0rd", "w/o#rd?1", "p@ss/w#rd?1"])
def test_every_line_of_the_log_is_json_and_no_password_is_in_any(artifact: Path, tmp_path: Path, secret: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    source = f"rtsp://admin:{secret}@127.0.0.1:{port}/live"
    with RunProcess("run", artifact, "--source", source, "--jsonl", tmp_path / "o.jsonl") as run:
        run.wait_for("reconnecting")
        commands = [" ".join(child.cmdline()) for child in run.family()]
        run.stop()
    assert all(json.loads(line)["source"] for line in run.stderr.splitlines())
    assert "rtsp://***@127.0.0.1" in run.stderr
    for text in (run.stderr, run.stdout, *commands):
        assert not [part for part in (secret, secret[:4], quote(secret, safe="")) if part in text]


def test_without_supervision_there_is_one_process_and_its_camera(artifact: Path) -> None:
    with RunProcess("run", artifact, "--source", CELLS, "--no-supervise") as run:
        run.wait_for("running")
        assert len(run.family()) == 1
        code, seconds = run.stop()
    assert (code, seconds < 3) == (0, True)
    assert not os.path.exists(f"/proc/{run.pid}")
