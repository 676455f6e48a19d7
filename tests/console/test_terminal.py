"""What reaches a terminal cannot command it, forge a line or change the order of what is read."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from linear_model import ArtifactMaker

from edgeseg.console.terminal import complain, say, say_lines, visible, visible_lines
from edgeseg.errors import SpecError
from edgeseg.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
TITLE, FORGED, TURNED = "\x1b]0;owned\x07", "\nedgeseg: fake line", "\u202egnp.exe"
HOSTILE = f"a{TITLE}{FORGED}{TURNED}\udc80\x9b31m\u2028"
COMMANDS = ("\x1b", "\x07", "\u202e", "\x9b", "\u2028", "\r")


def edgeseg(*words: object) -> tuple[int, str]:
    """Exit code, and both streams as text; a byte that is no text fails."""
    command = [sys.executable, "-m", "edgeseg", *map(str, words)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def check_harmless(text: str) -> None:
    assert not any(sign in text for sign in COMMANDS), ascii(text)
    assert not any(line.startswith("edgeseg: fake") for line in text.splitlines()), text


@pytest.mark.parametrize("sign", [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u2029", "\u2066"])
def test_each_commanding_character_is_shown_as_its_escape(sign: str) -> None:
    assert visible(f"a{sign}b") == f"a\\u{ord(sign):04x}b"


def test_text_of_people_is_left_alone() -> None:
    text = "Straße 猫 خلية קו a\u200db 🙂 50 % \\n C:\\pics"
    assert visible(text) == text
    assert visible_lines(f"{text}\n\t{text}") == f"{text}\n\t{text}"


def test_one_line_stays_one_and_a_message_owns_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"x{FORGED}")
    complain(f"edgeseg run: lost{FORGED}")
    said = capsys.readouterr()
    assert said.out == "x\\u000aedgeseg: fake line\n"
    assert said.err == "edgeseg run: lost\n  edgeseg: fake line\n"


def test_what_an_encoding_lacks_is_shown_as_its_escape() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say_lines("50 µm", file=stream)
    assert stream.buffer.getvalue() == b"50 \\xb5m\n"  # type: ignore[attr-defined]


def test_json_stays_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    say_lines(json.dumps({"name": HOSTILE + "\x7f"}))
    said = capsys.readouterr().out
    check_harmless(said)
    assert json.loads(said) == {"name": HOSTILE + "\x7f"}


@pytest.mark.parametrize("name", [f"cell{TITLE}", f"cell{FORGED}", f"cell{TURNED}", "cell\udc80"])
def test_a_class_is_not_called_so(name: str) -> None:
    with pytest.raises(SpecError, match="without control characters") as caught:
        ModelSpec("multiclass", ("sky", name), 24, 32)
    check_harmless(str(caught.value))


def test_an_artifact_whose_classes_are_called_so_is_refused(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tiny_artifact("openvino").path.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((copy / "edgeseg.json").read_text())
    manifest["spec"]["classes"][0] = f"sky{HOSTILE}"
    (copy / "edgeseg.json").write_text(json.dumps(manifest))
    for verb in (("inspect", copy), ("run", copy, "--source", "test://cells"), ("check", copy)):
        code, said = edgeseg(*verb)
        assert code == 2, said
        check_harmless(said)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such file names")
def test_verbs_show_hostile_file_names(tiny_artifact: ArtifactMaker, tmp_path: Path) -> None:
    folder = tmp_path / HOSTILE
    (folder / "pictures").mkdir(parents=True)
    artifact = folder / f"tiny{HOSTILE}"
    artifact.symlink_to(tiny_artifact("openvino").path)
    cv2.imwrite(str(tmp_path / "good.png"), np.zeros((24, 32, 3), np.uint8))
    os.rename(tmp_path / "good.png", folder / "pictures" / f"1{HOSTILE}.png")
    (folder / "pictures" / f"2{HOSTILE}.png").write_bytes(b"no picture")
    words = (
        ("run", artifact, "--source", folder / "pictures", "--save-masks", folder / "masks"),
        ("run", artifact, "--source", folder / "nothing.png"),
        ("run", artifact, "--source", "0", f"--sorce={HOSTILE}"),
        ("run", artifact, "--config", folder / "none.toml"),
        ("inspect", artifact),
        ("inspect", folder / "pictures" / f"2{HOSTILE}.png"),
        ("check", artifact),
        ("evaluate", artifact, "--data", folder),
        ("calibrate", artifact, "--data", folder / "pictures", "--out", folder),
        ("export", folder / "nothing.onnx"),
        (HOSTILE,),
    )
    shown = 0
    for given in words:
        code, said = edgeseg(*given)
        shown += "\\u001b]0;owned\\u0007" in said
        check_harmless(said)
        assert "Traceback" not in said, said
        assert (code == 0) == (given[0] in ("check",) or given[1:] == (artifact,) or "--save-masks" in given), said
    assert shown >= 8


def test_nothing_else_prints() -> None:
    """But what is behind the log and the summary of a run, which are made harmless before."""
    rooms = [path for room in ("edgeseg", "runtime", "calibration", "export") for path in (ROOT / room).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in rooms
        if path.name not in ("terminal.py", "standard_streams.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found, f"say it through edgeseg.console.terminal: {found}"
