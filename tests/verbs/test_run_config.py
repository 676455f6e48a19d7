"""``edgeseg run --config``: the file says what the flags say, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.cli import build_parser
from edgeseg.console.quantities import Number
from edgeseg.errors import UserError
from edgeseg.runtime.session.settings import RunSettings
from edgeseg.runtime.sources.selection import Region
from edgeseg.verbs.flags.config_file import read_arguments, read_settings

WHOLE = """
artifact = "model"
source = "rtsp://user:password@camera/stream"
every = 2
max-fps = 12.5
rotate = 90
roi = "0,0,10,10"
save = "out.mkv"
save-every = "10min"
keep = "20GB"
log-json = true
json = false
"""


@pytest.fixture
def config(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> Path:
        path = tmp_path / "camera.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_gives_what_the_same_flags_give(config) -> None:  # type: ignore[no-untyped-def]
    words = "model --source rtsp://user:password@camera/stream --every 2 --max-fps 12.5 --rotate 90 --roi 0,0,10,10"
    words += " --save out.mkv --save-every 10min --keep 20GB --log-json"
    flags, file = vars(read_arguments(words.split())), vars(read_arguments(["--config", str(config(WHOLE))]))
    assert file.pop("config") is not None
    flags.pop("config")
    assert file == flags


def test_every_flag_is_a_key(config) -> None:  # type: ignore[no-untyped-def]
    for action in build_parser("run")._subparsers._group_actions[0].choices["run"]._actions:  # type: ignore[union-attr]
        name = action.option_strings[-1][2:] if action.option_strings else "artifact"
        if name in ("help", "config"):
            continue
        value = "true" if action.nargs == 0 else {None: '"1"'}.get(action.type, '"x"')
        value = str(action.default or (90 if action.choices else 1)) if isinstance(action.type, Number) else value
        examples = {
            "conf": "0.5",
            "slots": '"auto"',
            "min-area": "50",
            "smooth": '"200ms"',
            "alert": '["a > 2%", "b in c"]',
            "fail-if": '"a > 2 px"',
        }
        value = examples.get(name, value)
        value = f'"{action.choices[0]}"' if action.choices and action.type is None else value
        read_arguments(["--config", str(config(f"{name} = {value}\n"))])


def test_the_command_line_comes_first_even_where_it_says_the_default(config) -> None:  # type: ignore[no-untyped-def]
    path = config('artifact = "model"\nslots = 4\nsource = "0"\n')
    assert read_arguments(["--config", str(path)]).slots == 4
    args = read_arguments(["other", "--config", str(path), "--slots", "2"])
    assert (args.artifact, args.slots, args.source) == (Path("other"), 2, "0")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sorce = '0'", "there is no key 'sorce'. Did you mean source"),
        ("weather = 'fine'", "Keys are flags of edgeseg run without their dashes"),
        ("config = 'b.toml'", "there is no key 'config'"),
        (
            "slots = 'two'",
            "argument --slots: it takes auto, latency, throughput or a whole number from 1 to 64; found 'two'",
        ),
        ("engine-timeout = nan", "argument --engine-timeout: it takes a number above 0"),
        ("rotate = 45", "argument --rotate: invalid choice"),
        ("show = 'yes'", "show takes true or false; found text"),
        ("source = ['a', 'b']", "source takes one text or number"),
        ("slots = true", "slots takes one text or number; found true or false"),
        ("[camera]\nsource = '0'", "there is no key 'camera'"),
        ("source = ", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence_with_its_name(config, text: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    path = config(text)
    with pytest.raises(UserError) as caught:
        read_arguments(["--config", str(path)])
    assert sentence in str(caught.value)
    assert "camera.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no file .*none\.toml"):
        read_arguments(["--config", str(tmp_path / "none.toml")])


def test_a_worker_is_sent_the_same_settings(config) -> None:  # type: ignore[no-untyped-def]
    settings = read_settings(["--config", str(config(WHOLE)), "--conf", "0.25", "--device", "odd"])
    assert RunSettings.from_json(settings.to_json()) == settings
    assert settings.source.selection.region == Region(0, 0, 10, 10)
    assert (settings.outputs.save, settings.threshold, settings.log_json) == (Path("out.mkv"), 0.25, True)
