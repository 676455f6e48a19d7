"""A network that a call builds: what the user named is imported, what he wrote in parentheses is never run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import nn

from edgeseg.errors import UserError
from edgeseg.export.checkpoints.factory import build_network, parse_call

NETS = """
from torch import nn

class Plain(nn.Module):
    def __init__(self, classes=2, width=4):
        super().__init__()
        self.head = nn.Conv2d(3, classes, 1)

    def forward(self, x):
        return self.head(x)

class Zoo:
    @staticmethod
    def build(arch, **options):
        return Plain(**options) if arch == "plain" else None

def pair():
    return Plain(), None

def downloads():
    from torch.hub import load_state_dict_from_url
    load_state_dict_from_url("http://127.0.0.1:9/backbone.pth")

def broken():
    raise RuntimeError("no  such\\nbackbone")

ready = Plain(5)
number = 3
"""


@pytest.fixture
def nets(tmp_path, monkeypatch) -> str:
    """A module of a name of its own in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"nets_{abs(hash(str(tmp_path)))}"
    Path(f"{name}.py").write_text(NETS)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("call", "classes"),
    [
        ("Plain", 2),
        ("Plain()", 2),
        ("Plain(7)", 7),
        ("Plain(classes=3, width=-1)", 3),
        ("Zoo.build('plain', classes=4)", 4),
        ("ready", 5),
    ],
)
def test_classes_functions_and_ready_networks_are_built(call, classes, nets):
    network = build_network(parse_call(f"{nets}:{call}"))
    assert isinstance(network, nn.Module)
    assert network.head.out_channels == classes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Plane", "has no 'Plane'; it has Plain"),
        ("Plain(colour=1)", r"failed: TypeError: .*It takes \(classes=2, width=4\)"),
        ("pair", "gives a tuple, and a network is a torch.nn.Module"),
        ("Zoo.build('other')", "gives a NoneType"),
        ("broken", "broken failed: RuntimeError: no such backbone"),
        ("number", "is a int, which builds no network"),
        ("downloads", r"downloads failed: URLError.* It downloads while it is built, .*`weights` would replace"),
    ],
)
def test_a_call_that_gives_no_network_gets_a_sentence(call, message, nets):
    with pytest.raises(UserError, match=message):
        build_network(parse_call(f"{nets}:{call}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m:build(open('x'))", "is no literal"),
        ("m:build(__import__('os').system('touch sprung'))", "is no literal"),
        ("m:build(*[1])", "is no literal"),
        ("m:build(**{'a': 1})", r"has \*\* in it"),
        ("m:build(lambda: 0)", "is no literal"),
        ("m:build()()", "no call of one name"),
        ("m:(build, 1)", "no call of one name"),
        ("m:build(", "no call of one name"),
        ("m:build; import os", "no call of one name"),
        ("a-b:build", "no name of a module"),
        ("nets/unet.py:UNet(3)", "name the module, .*'nets.unet:UNet\\(3\\)'"),
        ("m:f(" + "(" * 5000, "no call of one name"),
    ],
)
def test_what_is_no_call_with_literals_is_refused_and_not_run(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        parse_call(text)
    assert not list(tmp_path.iterdir())


def test_a_module_that_is_not_there_is_told_from_one_that_it_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("needs_more.py").write_text("import not_there_at_all\n")
    Path("fails.py").write_text("1 / 0\n")
    for call, message in (
        ("nowhere.nets:Net", "no module 'nowhere' in .* Start edgeseg in the folder that 'nowhere' is in"),
        ("needs_more:Net", "needs_more needs the module 'not_there_at_all', which is not installed"),
        ("fails:Net", "Importing fails failed: ZeroDivisionError"),
    ):
        with pytest.raises(UserError, match=message):
            build_network(parse_call(call))
