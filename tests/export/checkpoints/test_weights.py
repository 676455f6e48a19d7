"""Weights as people save them find their places in the network; those of another network change nothing."""

from __future__ import annotations

import argparse
import collections
import copy
import os
import re
from pathlib import Path, PosixPath

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edgeseg.errors import CheckpointError, UserError
from edgeseg.export.checkpoints.fit import load_weights
from edgeseg.export.checkpoints.state_dicts import find_state_dicts
from edgeseg.export.checkpoints.weight_file import read_weight_file


class Net(nn.Module):
    def __init__(self, classes: int = 3, width: int = 4, channels: int = 3, aux: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, width, 3), nn.BatchNorm2d(width))
        self.body = nn.Sequential(nn.Conv2d(width, width, 3), nn.BatchNorm2d(width))
        self.head = nn.Conv2d(width, classes, 1)
        if aux:
            self.aux = nn.Conv2d(width, classes, 1)


def trained(**options: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    return {name: torch.rand_like(one.float()) for name, one in Net(**options).state_dict().items()}


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": one for name, one in state.items()}


def into(values: object, net: nn.Module, path: Path, what: str = "nets:Net()") -> list[str]:
    torch.save(values, path)
    return load_weights(net, find_state_dicts(read_weight_file(path)), path, what)


class EmptyClass:
    pass


STATE = trained()
OTHER = {name: one + 1 for name, one in STATE.items()}
FORMS = {
    "plain": STATE,
    "ordered": collections.OrderedDict(STATE),
    "state_dict": {"epoch": 3, "state_dict": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "model": {"model": STATE, "args": argparse.Namespace(lr=0.1, out=PosixPath("runs"))},
    "model_state": {"model_state": STATE, "best": np.float64(0.91), "history": np.arange(3.0)},
    "model_state_dict": {"model_state_dict": STATE, "loss": 0.25},
    "net": {"net": STATE},
    "DataParallel": under("module.", STATE),
    "torch.compile": under("_orig_mod.", STATE),
    "both": {"model": under("module._orig_mod.", STATE)},
    "compiled inside": {name.replace("body.", "body._orig_mod."): one for name, one in STATE.items()},
    "Lightning": {"pytorch-lightning_version": "2.4", "state_dict": under("model.", STATE), "loops": {"a": {"b": 1}}},
    "Lightning, deeper": {"state_dict": {**under("net.model.", STATE), "criterion.weight": torch.ones(3)}},
    "half": {name: one.half() if one.is_floating_point() else one for name, one in STATE.items()},
    "milesial": {**STATE, "mask_values": [0, 1, 2]},
    "counted by thop": {**STATE, "stem.total_ops": torch.zeros(1), "total_params": torch.zeros(1)},
    "before 0.4.1": {name: one for name, one in STATE.items() if "num_batches" not in name},
    "ema": {"model": OTHER, "ema": STATE},
    "ema, deeper": {"state_dict": OTHER, "model_ema": {"module": STATE, "updates": 12}},
    "timm's ema": {"state_dict": OTHER, "state_dict_ema": STATE},
    "ema in one dictionary": {"state_dict": {**under("net.", OTHER), **under("net_ema.module.", STATE)}},
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_find_their_places_however_they_were_saved(form, tmp_path):
    net = Net()
    notes = into(FORMS[form], net, tmp_path / "a.pth")
    for name, one in net.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(
                one, STATE[name], rtol=0, atol=1e-3 if form == "half" else 0, msg=f"{form}: {name}"
            )
    assert any("averaged over training" in note for note in notes) == ("ema" in form)
    assert any("criterion.weight" in note for note in notes) == (form == "Lightning, deeper")


def test_an_average_that_does_not_fit_gives_way_to_what_does(tmp_path):
    net = Net()
    assert into({"ema": {"other.weight": torch.ones(1)}, "model": STATE}, net, tmp_path / "a.pth") == []
    assert torch.equal(net.head.weight, STATE["head.weight"])


def test_a_network_in_a_wrapper_takes_the_weights_of_what_is_inside(tmp_path):
    wrapper = nn.Module()
    wrapper.model = Net()
    into(STATE, wrapper, tmp_path / "a.pth")
    assert torch.equal(wrapper.model.head.weight, STATE["head.weight"])


def test_files_of_before_1_6_and_safetensors_are_read(tmp_path):
    torch.save({"state_dict": STATE}, tmp_path / "old.pth.tar", _use_new_zipfile_serialization=False)
    save_file(STATE, tmp_path / "a.safetensors")
    for path in (tmp_path / "old.pth.tar", tmp_path / "a.safetensors"):
        net = Net()
        assert load_weights(net, find_state_dicts(read_weight_file(path)), path, "") == []
        assert torch.equal(net.head.weight, STATE["head.weight"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"classes": 21},
            r"head.weight \[21, 4, 1, 1\], not \[3, 4, 1, 1\].*trained for 21 outputs, and this builds 3",
        ),
        ({"channels": 1}, r"stem.0.weight \[4, 1, 3, 3\].*had 1 channels, and this builds a network for 3"),
        ({"width": 8}, r"of another shape stem.0.weight .*\(13 in all\).*narrower or wider"),
    ],
)
def test_weights_of_another_network_are_listed_with_the_likely_cause(options, message, tmp_path):
    net = Net()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(CheckpointError, match=message):
        into(trained(**options), net, tmp_path / "a.pth")
    assert all(torch.equal(one, before[name]) for name, one in net.state_dict().items()), "nothing was put in"


HEADS = {
    "an auxiliary head": {"aux.weight": torch.ones(3, 4, 1, 1), "aux.bias": torch.ones(3)},
    "a head with a channel a class": {"conv_out16.conv.weight": torch.ones(3, 4, 1, 1)},
    "a head with one channel": {"seghead_d.conv.weight": torch.ones(1, 4, 3, 3)},
    "a loss with weights": {"criterion.weight": torch.ones(3)},
}
PARTS = {
    "attention": {"att1.psi.weight": torch.ones(1, 4, 1, 1)},
    "a deeper encoder": {"body.2.weight": torch.ones(4, 4, 3, 3)},
    "a head that is no head": {"outer.conv.weight": torch.ones(64, 4, 1, 1)},
}


@pytest.mark.parametrize("part", HEADS)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_heads_that_are_not_built_are_left_out_and_listed(part, prefix, tmp_path):
    net, name = Net(), next(iter(HEADS[part])).partition(".")[0]
    (note,) = into(under(prefix, {**STATE, **HEADS[part]}), net, tmp_path / "a.pth")
    assert f"holds weights of {name}, which the network as it is built here does not have" in note
    assert torch.equal(net.head.weight, STATE["head.weight"])
    assert into(trained(aux=True), Net(aux=True), tmp_path / "a.pth") == [], "built with it, it is not left out"


@pytest.mark.parametrize("part", PARTS)
def test_parts_that_results_may_depend_on_are_left_out_only_by_name(part, tmp_path):
    name = next(iter(PARTS[part])).rpartition(".")[0].removesuffix(".conv")
    name = name.partition(".")[0] if part == "attention" else name
    states = under("module.", {**STATE, **PARTS[part]})
    torch.save(states, tmp_path / "a.pth")
    found = find_state_dicts(read_weight_file(tmp_path / "a.pth"))
    with pytest.raises(CheckpointError, match=rf"and more.*`ignore_weights=\('{re.escape(name)}',\)`"):
        load_weights(Net(), found, tmp_path / "a.pth", "nets:Net()")
    net = Net()
    (note,) = load_weights(net, found, tmp_path / "a.pth", "nets:Net()", (name,))
    assert f"holds weights of {name}," in note
    assert torch.equal(net.head.weight, STATE["head.weight"])


def test_only_what_is_left_over_can_be_ignored(tmp_path):
    torch.save({**STATE, **HEADS["an auxiliary head"]}, tmp_path / "a.pth")
    found = find_state_dicts(read_weight_file(tmp_path / "a.pth"))
    with pytest.raises(UserError, match="`ignore_weights` names 'decoder', and no part"):
        load_weights(Net(), found, tmp_path / "a.pth", "nets:Net()", ("decoder",))
    partly = {name: one for name, one in STATE.items() if not name.startswith("body")}
    torch.save(partly, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="missing body"):
        load_weights(
            Net(), find_state_dicts(read_weight_file(tmp_path / "b.pth")), tmp_path / "b.pth", "nets:Net()", ("body",)
        )


def test_missing_names_are_counted_and_other_architectures_are_said(tmp_path):
    partly = {name: one for name, one in STATE.items() if not name.startswith("body")}
    with pytest.raises(CheckpointError, match=r"missing body.0.weight, body.0.bias, body.1.weight, ... \(6 in all\)"):
        into(partly, Net(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="No name is in both: it is another architecture"):
        into({"encoder.conv.weight": torch.ones(2, 2)}, Net(), tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="holds no weights by name"):
        into({"epoch": 3}, Net(), tmp_path / "c.pth")


class Trap:
    """Pickled, it makes a file when it is opened."""

    def __reduce__(self):
        return os.mknod, ("sprung", 0o600)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"state_dict": STATE, "config": Trap()},
            r"asks for posix.mknod: .*torch.load\(.*\)\['state_dict'\], 'weights.pth'",
        ),
        ({"state_dict": STATE, "config": EmptyClass()}, "asks for .*EmptyClass"),
        (Net(), r"asks for .*Net and \d+ more.*torch.load\(.*\).state_dict\(\), 'weights.pth'"),
    ],
    ids=["code", "a class", "a whole network"],
)
def test_a_pickle_that_wants_classes_is_not_opened_and_says_which(values, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(values, "a.pth")
    with pytest.raises(CheckpointError, match=message):
        read_weight_file(Path("a.pth"))
    assert not Path("sprung").exists()


def test_the_line_that_saves_the_weights_alone_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for values in (Net(), {"state_dict": STATE, "config": EmptyClass()}):
        torch.save(values, "a.pth")
        with pytest.raises(CheckpointError) as refused:
            read_weight_file(Path("a.pth"))
        (line,) = re.findall(r"alone: (torch\.save\(.*?'weights\.pth'\));", str(refused.value))
        exec(line, {"torch": torch})
        assert (
            load_weights(Net(), find_state_dicts(read_weight_file(Path("weights.pth"))), Path("weights.pth"), "") == []
        )


def damaged(path: Path) -> None:
    torch.save(STATE, path)
    data = bytearray(path.read_bytes())
    place = data.find(STATE["head.weight"].numpy().tobytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "There is no file of weights"),
        (lambda p: p.mkdir(), "a folder"),
        (os.mkfifo, "a pipe"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"<html>"), "a web page"),
        (damaged, "checksum of .* fails"),
        (lambda p: p.write_bytes(b"\x10\0\0\0\0\0\0\0{}"), "no whole file of safetensors"),
    ],
)
def test_what_is_no_file_of_weights_gets_a_sentence(make, message, tmp_path):
    make(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=message):
        read_weight_file(tmp_path / "a.pth")
