"""The fault server itself: what the other tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import marked_picture
import numpy as np
import psutil
import pytest
from fault_camera import StartCamera

SIZE = (288, 480)


def test_a_picture_says_its_number_and_when_it_was_made() -> None:
    before_s = time.monotonic()
    marks = marked_picture.read(marked_picture.draw(70_000, *SIZE))
    assert (marks.number, marks.error) == (70_000, 0)
    assert abs(marks.made_s - before_s) < 1


def test_a_picture_of_two_is_told_from_a_true_one() -> None:
    one, other = (marked_picture.draw(number, *SIZE) for number in (7, 8))
    mixed = np.concatenate([one[:144], other[144:]])
    assert marked_picture.read(mixed).error > 20


def test_a_picture_without_marks_is_told() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        marked_picture.read(np.full((*SIZE, 3), 90, np.uint8))


def test_it_listens_on_loopback_only_and_comes_back_on_the_same_port(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok")
    first = camera.port
    assert [c.laddr.ip for c in psutil.Process(camera.pid).net_connections()] == ["127.0.0.1"]
    camera.kill()
    camera.start_again()
    assert camera.port == first


def test_it_ends_by_itself(fault_camera: StartCamera) -> None:
    camera = fault_camera("ok", lifetime=1)
    assert psutil.Process(camera.pid).wait(20) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped"])
def test_it_ends_with_the_process_that_started_it(frozen: bool) -> None:
    folder = Path(__file__).parent
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\nimport fault_camera, signal\n"
    code += "camera = fault_camera.FaultCamera('ok')\n"
    code += "camera.freeze()\n" if frozen else ""
    code += "print(camera.pid, flush=True)\nsignal.pause()\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    gone, _ = psutil.wait_procs([child], 10)
    assert gone or child.status() == psutil.STATUS_ZOMBIE  # without an init nobody collects it
