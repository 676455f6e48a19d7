"""A real sshd on loopback, as the user who runs the tests, with keys of its own; nothing in ~/.ssh is read."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker, reference
from loopback_box import Box

from edgeseg.artifact import writing_artifact
from edgeseg.image import fit
from edgeseg.proof.compare import compare
from edgeseg.proof.image_record import write_record
from edgeseg.proof.kept_masks import KeptMasks
from edgeseg.proof.publishing import artifact_stage
from edgeseg.proof.samples import samples_from
from edgeseg.proof.stage import Stage
from edgeseg.spec import ModelSpec

START_S, MOST_S = 10, 600


@pytest.fixture(scope="session")
def _sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("ssh") is None:
        pytest.skip("sshd is not installed; on Debian: apt-get install openssh-server")
    root = tmp_path_factory.mktemp("over there")
    for name in ("host", "key", "other"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    shutil.copy(root / "key.pub", root / "authorized")
    key = " ".join((root / "host.pub").read_text(encoding="utf-8").split()[:2])
    (root / "known").write_text(f"[127.0.0.1]:{port} {key}\n", encoding="utf-8")
    (root / "temporary").mkdir()
    values = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": f'"{root / "host"}"',
        "AuthorizedKeysFile": f'"{root / "authorized"}"',
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PidFile": "none",
    }
    (root / "sshd").write_text("".join(f"{name} {value}\n" for name, value in values.items()), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's sshd shuts its unprivileged half in
    box = Box(f"{getuser()}@127.0.0.1:{port}", port, root, root / "python")
    box.write_python("python")
    words = ["timeout", str(MOST_S), program, "-D", "-e", "-f", str(root / "sshd")]
    with (root / "log").open("wb") as log, subprocess.Popen(words, stderr=log) as server:
        try:
            _wait_for(port, server, root / "log")
            yield box
        finally:
            server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.skip(f"sshd does not start here: {log.read_text(encoding='utf-8', errors='replace')[-300:]}")


@pytest.fixture
def box(_sshd: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """The machine, which has to be as it was afterwards: nothing is left in its folder of temporary files."""
    monkeypatch.setenv("EDGESEG_SSH_COMMAND", _sshd.configure("client"))
    yield _sshd
    end = time.monotonic() + START_S
    while any(_sshd.temporary.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [*_sshd.temporary.iterdir()]


@pytest.fixture(scope="session")
def proven(
    tmp_path_factory: pytest.TempPathFactory, tiny_artifact: ArtifactMaker, tiny_spec: ModelSpec
) -> tuple[Path, Path]:
    """An artifact and the data that it was proven on, in folders whose names have spaces."""
    root = tmp_path_factory.mktemp("my models")
    data, artifact = root / "my data", tiny_artifact("onnx")
    for folder in ("images/val", "masks/val"):
        (data / folder).mkdir(parents=True)
    (data / "classes.txt").write_text("\n".join(tiny_spec.classes), encoding="utf-8")
    for seed in range(9):
        coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        image = cv2.resize(coarse, (tiny_spec.width, tiny_spec.height), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(data / f"images/val/{seed}.png"), image)
        mask = np.roll(reference(fit(image, tiny_spec), tiny_spec)[0], 1, 1)
        cv2.imwrite(str(data / f"masks/val/{seed}.png"), mask)
    samples, masks = samples_from(data, artifact.spec), KeptMasks()
    with contextlib.ExitStack() as stack:
        own = artifact_stage(artifact, stack)
        found = compare([Stage("float", own.predict, own.answer), own], samples, artifact.spec, masks=masks)
    fields = ("name", "format", "spec", "precision", "outputs")
    manifest = {**{name: getattr(artifact, name) for name in fields}, "outputs": list(artifact.outputs)}
    manifest["measured"] = {**found.to_dict(), **samples.evidence()}
    path = root / artifact.path.name
    with writing_artifact(path, manifest) as staged:
        shutil.copyfile(artifact.model_path, staged / artifact.model_path.name)
        manifest["measured"]["left_out"] = write_record(staged, found, artifact.spec.task, masks)
    return path, data
