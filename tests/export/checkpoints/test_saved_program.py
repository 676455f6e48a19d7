"""Programs that torch saved whole are opened as they are; what would do more than compute is not opened at all."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeseg.errors import CheckpointError, SpecError
from edgeseg.export.checkpoints.saved_program import load_exported_program, load_torchscript
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.source.foreign_net import probe_inputs
from edgeseg.export.source.model_kinds import source_net
from edgeseg.export.specs.foreign_spec import SpecFlags
from edgeseg.files.foreign_kind import is_torch_export, is_torchscript

FLAGS = SpecFlags(classes=("a", "b", "c"), imgsz=(32, 48), mean=(0,), std=(1,), color_order="rgb")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Conv2d(8, 3, 1)
        self.body[1].running_mean.uniform_(-1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 5 * self.head(self.body(x))


def scripted(path: Path) -> None:
    torch.jit.script(Net().train()).save(path)


def traced(path: Path) -> None:
    torch.jit.trace(Net().eval(), torch.zeros(1, 3, 32, 48)).save(path)


def frozen(path: Path) -> None:
    torch.jit.freeze(torch.jit.script(Net().eval())).save(path)


def exported(path: Path) -> None:
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 32, 48),)), path)


def any_size(path: Path) -> None:
    sides = {2: torch.export.Dim("h", min=16, max=512), 3: torch.export.Dim("w", min=16, max=512)}
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 32, 48),), dynamic_shapes=(sides,)), path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("save", "exporter"),
    [
        (scripted, "TorchScript"),
        (traced, "TorchScript"),
        (frozen, "TorchScript"),
        (exported, "dynamo"),
        (any_size, "dynamo"),
    ],
)
def test_a_saved_program_gives_its_own_labels(save: Callable[[Path], None], exporter: str, tmp_path: Path) -> None:
    save(tmp_path / "net.pt")
    source = source_net(tmp_path / "net.pt", FLAGS)
    assert exporter in source.origin["exporter"]
    assert source.name == "net"
    run, net = make_forward(source.proto), Net().eval()
    for values in probe_inputs(source.spec):
        with torch.inference_mode():
            wanted = net(torch.from_numpy(values)).numpy().argmax(1)[0]
        assert len(np.unique(wanted)) > 1
        np.testing.assert_array_equal(source.predict(values).labels, wanted)
        np.testing.assert_array_equal(run(values).argmax(1)[0], wanted)


@pytest.mark.filterwarnings("ignore")
def test_the_size_of_an_exported_program_is_known_and_training_mode_is_found(tmp_path: Path) -> None:
    exported(tmp_path / "net.pt2")
    assert is_torch_export(tmp_path / "net.pt2")
    assert not is_torchscript(tmp_path / "net.pt2")
    spec = source_net(tmp_path / "net.pt2", SpecFlags(**{**vars(FLAGS), "imgsz": None})).spec
    assert (spec.height, spec.width) == (32, 48)
    program = torch.export.export(Net().train(), (torch.zeros(1, 3, 32, 48),))
    torch.export.save(program, tmp_path / "train.pt2")
    with pytest.raises((SpecError, CheckpointError), match=r"eval\(\)|training"):
        source_net(tmp_path / "train.pt2", FLAGS)


class Writes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "sprung")
        return x


class Maps(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("other", shared=True, size=4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("module", "word"), [(Writes, "torch.save"), (Maps, "torch.from_file")])
def test_torchscript_that_reaches_for_files_is_not_opened(module, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(module()).save("a.pt")
    with pytest.raises(CheckpointError, match=f"calls {word}"):
        load_torchscript(Path("a.pt"))
    assert not Path("sprung").exists()


class Trap:
    """Pickled, it makes a file when it is opened."""

    def __reduce__(self):
        return os.mknod, ("sprung", 0o600)


def change(path: Path, ending: str, edit: Callable[[bytes], bytes], also: dict[str, bytes] | None = None) -> None:
    """Write an archive anew, with one of its files edited and others added."""
    with zipfile.ZipFile(path) as archive:
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    assert any(name.endswith(ending) for name in files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, **(also or {})}.items():
            archive.writestr(name, edit(data) if name.endswith(ending) else data)


def call_something(data: bytes) -> bytes:
    return data.replace(b"torch.ops.aten.relu.default", b"torch.os.system")


def evaluate_something(data: bytes) -> bytes:
    values = json.loads(data)
    expression = {"as_expr": {"expr_str": "__import__('os').mknod('sprung')", "hint": None}}
    values["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0] = expression
    return json.dumps(values).encode()


def unpickle_something(data: bytes) -> bytes:
    constant = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    return json.dumps({"config": {"c": constant}}).encode()


def trapped_inputs(data: bytes) -> bytes:
    torch.save(((Trap(),), {}), "trap.pt")
    return Path("trap.pt").read_bytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("ending", "edit", "message"),
    [
        ("models/model.json", call_something, "asks for 'torch.os.system'"),
        ("models/model.json", evaluate_something, "asks for .*__import__"),
        ("model_constants_config.json", unpickle_something, "asks for 'opaque_obj_0'"),
        ("sample_inputs/model.pt", trapped_inputs, "cannot open"),
        ("models/model.json", lambda data: data[:100], "no JSON"),
    ],
)
def test_a_program_that_would_run_something_is_not_opened(ending, edit, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exported(Path("a.pt2"))
    change(Path("a.pt2"), ending, edit, {"a/data/constants/opaque_obj_0": pickle.dumps(Trap())})
    with pytest.raises(CheckpointError, match=message):
        load_exported_program(Path("a.pt2"))
    assert not Path("sprung").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_compiled_code_in_a_program_is_not_run(tmp_path):
    exported(tmp_path / "a.pt2")
    change(tmp_path / "a.pt2", "archive_format", bytes, {"a/data/aotinductor/model/x.so": b"\x7fELF"})
    with pytest.raises(CheckpointError, match="holds compiled code"):
        load_exported_program(tmp_path / "a.pt2")


class OnGpu(nn.Module):
    """Code that names a device, as a trace made on a GPU has it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x) + torch.zeros(1, 3, 1, 1, device="cuda")


def of_four(path: Path) -> None:
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(4, 3, 32, 48),)), path)


def of_another_size(path: Path) -> None:
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 64, 96),)), path)


def on_gpu(path: Path) -> None:
    torch.jit.script(OnGpu().eval()).save(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (of_four, "net.pt2", r"takes 4 pictures at once.*export\(net, \(torch.zeros\(1, 3, 32, 48\),\)\)"),
        (of_another_size, "net.pt2", r"for pictures of 64x96 alone. Leave `imgsz` out"),
        pytest.param(
            on_gpu,
            "net.pt",
            r"asks for a GPU while it runs \(.*save it again from the processor",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="here is the GPU that it asks for"),
        ),
    ],
    ids=["four at once", "another size", "a GPU"],
)
def test_a_program_for_other_pictures_or_another_device_says_so(make, name, message, tmp_path):
    make(tmp_path / name)
    with pytest.raises(SpecError, match=message):
        source_net(tmp_path / name, FLAGS)
