from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from edgeseg.errors import CheckpointError
from edgeseg.models.registry import build_model
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import load_model, save_checkpoint

SPEC = ModelSpec("multiclass", ("a", "b", "c"), 32, 32, ignore_index=7)
ARCHITECTURE = {"name": "unet", "options": {"width": 0.25}}


def saved(path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(path, ARCHITECTURE, SPEC, build_model("unet", SPEC, {"width": 0.25}).state_dict(), {"epoch": 1})
    return path


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    torch.manual_seed(0)
    model = build_model("unet", SPEC, {"width": 0.25}).eval()
    loaded = load_model(path)
    image = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded.model(image), model(image))
    assert (loaded.spec, loaded.name, loaded.architecture) == (SPEC, "net", ARCHITECTURE)


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)  # type: ignore[return-value]


def test_a_pickle_is_refused_and_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for name, dump in (("raw.pt", pickle.dump), ("zip.pt", torch.save)):
        with (tmp_path / name).open("wb") as stream:
            dump(Evil(str(mark)), stream)
        with pytest.raises(CheckpointError, match=r"is not opened because|so it was not opened"):
            load_model(tmp_path / name)
    assert not mark.exists()


def test_truncated_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "net.pt").read_bytes()
    cases = {"half.pt": whole[: len(whole) // 2], "empty.pt": b"", "html.pt": b"<html>404</html>"}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=name):
            load_model(tmp_path / name)
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match=r"of another project.*edgeseg\.export_model\(\'package\.module:build"):
        load_model(tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_model(tmp_path / "missing.pt")


def test_a_newer_version_asks_for_an_upgrade(tmp_path: Path) -> None:
    values = torch.load(saved(tmp_path / "net.pt"), weights_only=True)
    torch.save({**values, "version": 2}, tmp_path / "new.pt")
    with pytest.raises(CheckpointError, match="Upgrade edgeseg"):
        load_model(tmp_path / "new.pt")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    other = build_model("fcn8s", SPEC, {"width": 0.25}).state_dict()
    save_checkpoint(path, ARCHITECTURE, SPEC, other, {})
    with pytest.raises(CheckpointError, match="does not hold the network it names"):
        load_model(path)


def test_a_head_that_disagrees_with_the_classes_is_said_in_classes(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    four = SPEC.replace(classes=("a", "b", "c", "d"), palette=())
    save_checkpoint(path, ARCHITECTURE, SPEC, build_model("unet", four, {"width": 0.25}).state_dict(), {})
    with pytest.raises(CheckpointError, match=r"head\.weight gives 4 logits a pixel, and its spec says 3.*a, b, c"):
        load_model(path)


def test_a_full_disk_is_said_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    before = path.read_bytes()
    code = f"""
import resource, signal, sys, torch
from pathlib import Path
from edgeseg.errors import OutputError
from edgeseg.spec import ModelSpec
from edgeseg.training.checkpoint import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    spec = ModelSpec("binary", ("a", "b"), 32, 32)
    save_checkpoint(Path({str(path)!r}), {{}}, spec, {{"w": torch.zeros(9999)}}, {{}})
except OutputError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"Cannot write {path}" in done.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt"]


def test_mutated_checkpoints_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "net.pt").read_bytes()
    seeds = [b"abc", whole, pickle.dumps({"format": "x"}, 2), pickle.dumps([1, 2], 0), pickle.dumps({"a": {1}}, 2)]
    rng = random.Random(0)
    for _ in range(150):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (tmp_path / "mutated.pt").write_bytes(data[: rng.randint(1, len(data))] if rng.random() < 0.3 else data)
        with pytest.raises(CheckpointError, match="mutated"):
            load_model(tmp_path / "mutated.pt")


def test_one_flipped_bit_anywhere_is_refused_or_in_what_nobody_reads(tmp_path: Path) -> None:
    """The file is a zip: names and dates stand in it twice, and what only pads is not checked."""
    wanted = load_model(saved(tmp_path / "net.pt"))
    whole, rng, refused = (tmp_path / "net.pt").read_bytes(), random.Random(0), 0
    for start in range(0, len(whole), len(whole) // 150):
        data = bytearray(whole)
        data[min(start + rng.randrange(len(whole) // 150), len(whole) - 1)] ^= 1 << rng.randrange(8)
        (tmp_path / "flipped.pt").write_bytes(data)
        try:
            found = load_model(tmp_path / "flipped.pt")
        except CheckpointError:
            refused += 1
            continue
        assert (found.spec, found.architecture) == (wanted.spec, wanted.architecture)
        values = found.model.state_dict()
        assert all(torch.equal(values[key], value) for key, value in wanted.model.state_dict().items()), start
    assert refused > 100


def test_one_flipped_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.pt")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="checksum"):
        load_model(path)
