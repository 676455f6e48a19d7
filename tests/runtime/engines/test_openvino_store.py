"""Compiled models that were kept are used only when their bytes are those that were written."""

from __future__ import annotations

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from engine_contract import picture
from linear_model import ArtifactMaker

from edgeseg.artifact import Artifact
from edgeseg.image import fit
from edgeseg.runtime.engines import openvino_engine
from edgeseg.runtime.engines.engine import EngineOptions, open_with
from edgeseg.runtime.engines.openvino_core import shared_core
from edgeseg.runtime.events.event import Event

Patch = pytest.MonkeyPatch


class Importing:
    """OpenVINO's core, which compiles nothing."""

    def __init__(self, core: object, compile_model: object) -> None:
        self._core, self.compile_model = core, compile_model

    def __getattr__(self, name: str) -> object:
        return getattr(self._core, name)


@pytest.fixture
def artifact(tiny_artifact: ArtifactMaker) -> Artifact:
    return tiny_artifact("openvino")


@pytest.fixture
def events() -> list[Event]:
    return []


def masks(artifact: Artifact, root: Path, events: list[Event], slots: int = 1) -> bytes:
    options = EngineOptions(cache_dir=root, on_event=events.append, slots=slots)
    with closing(open_with(artifact, options)) as engine:
        slot = engine.open_slot()
        found = []
        for number in range(3):
            fit(picture(number), artifact.spec, out=slot.input)
            prediction = slot.run()
            found += [prediction.labels.tobytes(), prediction.confidence.tobytes()]  # type: ignore[union-attr]
        return b"".join(found)


def kept(root: Path) -> Path:
    (found,) = root.rglob("*.blob")
    return found


def test_no_flipped_byte_reaches_a_mask(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    right = masks(artifact, tmp_path, events)
    blob = kept(tmp_path)
    whole = blob.read_bytes()
    for number in range(64):
        at = number * (len(whole) - 1) // 63
        blob.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << number % 8)]) + whole[at + 1 :])
        assert masks(artifact, tmp_path, events) == right
        assert len(events) == number + 1
        assert blob.read_bytes()[32:36] == whole[32:36]
    assert {(event.kind, event.reason) for event in events} == {("cache-damaged", "damaged")}
    assert "it is not used, and the model is compiled again" in str(events[0])


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_what_was_cut_short_is_made_again(artifact: Artifact, tmp_path: Path, events: list[Event], size: int) -> None:
    right = masks(artifact, tmp_path, events)
    blob = kept(tmp_path)
    blob.write_bytes(blob.read_bytes()[:size])
    assert masks(artifact, tmp_path, events) == right
    assert len(events) == 1
    assert masks(artifact, tmp_path, events) == right
    assert len(events) == 1


def test_what_openvino_refuses_is_made_again(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    right = masks(artifact, tmp_path, events)
    nonsense = b"nonsense" * 100
    kept(tmp_path).write_bytes(hashlib.sha256(nonsense).digest() + nonsense)
    assert masks(artifact, tmp_path, events) == right
    assert "is refused by OpenVINO" in str(events[0])


def test_it_is_used(artifact: Artifact, tmp_path: Path, events: list[Event], monkeypatch: Patch) -> None:
    right = masks(artifact, tmp_path, events)

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(openvino_engine, "shared_core", lambda: Importing(shared_core(), refuse))
    assert masks(artifact, tmp_path, events) == right


def test_other_settings_have_models_of_their_own(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    assert masks(artifact, tmp_path, events) == masks(artifact, tmp_path, events, slots=2)
    assert len(list(tmp_path.rglob("*.blob"))) == 2


def test_many_may_start_at_once(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: masks(artifact, tmp_path, events), range(16)))
    assert len(found) == 1
    assert not events
    assert [path.name.endswith(".blob") for path in tmp_path.glob("*/*")] == [True]


def test_a_full_disk_only_costs_time(
    artifact: Artifact, tmp_path: Path, events: list[Event], monkeypatch: Patch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    right = masks(artifact, tmp_path, events)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.undo()
    assert masks(artifact, tmp_path, events) == right
    assert not events


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="for the superuser no folder is read-only")
def test_a_read_only_cache_only_costs_time(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    masks(artifact, tmp_path / "cache" / "openvino", events)
    assert not events


def test_a_link_is_no_cache(artifact: Artifact, tmp_path: Path, events: list[Event]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    masks(artifact, tmp_path / "cache", events)
    assert not list((tmp_path / "elsewhere").iterdir())
    (event,) = events
    assert event.kind == "cache-refused"
    assert "not kept, so each start compiles anew" in event.message
    assert "is a link" in event.message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only the superuser can give a file away")
def test_a_model_that_another_user_planted_is_compiled_again(
    artifact: Artifact, tmp_path: Path, events: list[Event]
) -> None:
    right = masks(artifact, tmp_path / "cache", events)
    (blob,) = (tmp_path / "cache").rglob("*.blob")
    planted = b"no compiled model, with a digest that is right"
    blob.write_bytes(hashlib.sha256(planted).digest() + planted)
    os.chown(blob, 12345, 12345)
    assert masks(artifact, tmp_path / "cache", events) == right
    assert blob.stat().st_uid == os.geteuid(), "it was written anew"
    assert not events, "it was not so much as looked at"
