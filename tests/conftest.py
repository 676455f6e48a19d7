"""What tests of several rooms share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import linear_model
import numpy as np
import pytest
from installed_fixtures import wheel  # noqa: F401
from made_data import sample_data  # noqa: F401
from shared_folder import fill_once  # noqa: F401

from edgeseg.artifact import Artifact
from edgeseg.spec import ModelSpec

pytest.register_assert_rewrite("engine_contract", "quantizer_contract", "model_contract")


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell starts what runs in its background with it ignored, and processes of tests inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no process is left with one when the others have ended."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in slow and "faults" not in item.path.parts)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real images and clips, which are not part of the repository."""
    root = Path(__file__).parents[1]
    found = Path(os.environ.get("EDGESEG_DATA", root.parent / "shared" / "data"))
    if not found.is_dir():
        pytest.skip(f"no sample data at {found}; set EDGESEG_DATA")
    return found


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled models of tests do not land in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _the_same_weights_each_time() -> None:
    """A fresh network is drawn from torch's generator: a test that passes once passes always."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_spec() -> ModelSpec:
    return ModelSpec("multiclass", ("sky", "road", "tree"), 24, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory, tiny_spec: ModelSpec) -> linear_model.ArtifactMaker:
    """Make a real artifact of a one-layer network: ``tiny_artifact(format, spec=..., confidence=...)``."""
    made: dict[object, Artifact] = {}

    def make(model_format: str, spec: ModelSpec = tiny_spec, confidence: bool = True) -> Artifact:
        key = (model_format, spec, confidence)
        if key not in made:
            made[key] = linear_model.artifact(tmp_path_factory.mktemp("tiny"), model_format, spec, confidence)
        return made[key]

    return make


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 40-frame 64x48 clip at 20 fps whose brightness grows with the frame's number."""
    path = tmp_path_factory.mktemp("clip") / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(40):
            picture = np.full((48, 64, 3), 10 + 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More frames than any test wants to wait for: one noisy picture, repeated without encoding it again."""
    path = tmp_path_factory.mktemp("long") / "long.mkv"
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        data = bytes([*stream.encode(frame), *stream.encode(None)][0])
        for number in range(3000):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 20)
            packet.is_keyframe = True
            container.mux(packet)
    return path
