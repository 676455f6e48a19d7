"""What the rooms below name as Python does, the command line names by its flags."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeseg.cli import main
from edgeseg.console.terminal import complain, say
from edgeseg.console.wording import reword, wording
from edgeseg.errors import UserError
from edgeseg.proof.budget import LIMITS
from edgeseg.runtime.engines.threshold import threshold_for
from edgeseg.runtime.measure import doctor
from edgeseg.verbs.flags.budget import add_budget_arguments, read_limits
from edgeseg.verbs.flags.names import name_flags


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a bare ONNX network, an image folder, a calibration set that is none, and a text."""
    monkeypatch.chdir(tmp_path)
    pixels = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    logits = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", [pixels], [logits])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), "net.onnx")
    Path("pictures").mkdir()
    for at in range(2):
        cv2.imwrite(f"pictures/{at}.png", np.full((8, 8, 3), 40 * at, np.uint8))
    Path("set.json").write_text("{}")
    Path("spec.txt").write_text("classes: a, b")
    Path("net.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    return tmp_path


NEEDED = r"--classes NAME,NAME,\.\.\. .*--color-order rgb\|bgr\|gray; --mean M M M and --std S S S.*--value-range 255"
EXAMPLE = r"edgeseg export net\.onnx --classes background,person --color-order rgb --mean 0\.485 0\.456 0\.406 --std 0"
MISTAKES = {
    "bench ARTIFACT --seconds 4000": r"--seconds must lie between 0 and 3600",
    "calibrate ARTIFACT --calib set.json --eval-data pictures": r"with: \S*edgeseg calibrate MODEL --data DIR -o set",
    "calibrate ARTIFACT --data pictures --method most": r"--method must be one of minmax, .*; found 'most'",
    "export net.onnx": NEEDED,
    "export net.onnx --format onnx": EXAMPLE,
    "export net.onnx --classes a,b,c --color-order rgb --mean 9 9 9 --std 1 1 1": r"--mean 9\.0 9\.0 9\.0 is not",
    "export net.onnx --depth 2": r"--depth cuts checkpoints",
    "export net.onnx --format engine --dla 9 --half": r"--dla must be a whole number from 0 to 7",
    "export net.onnx --format tensorrt --opt-level 9": r"--opt-level must be a whole number from 0 to 5",
    "export net.onnx --logits z --classes a,b": r"--logits can be one of y",
    "export net.onnx --outputs masks": r"--outputs takes labels",
    "export net.onnx --spec spec.txt": r"--spec spec\.txt is not JSON",
    "inspect net.h5": r"then: \S*edgeseg export model\.onnx --classes NAME,NAME --mean R G B --std R G B",
    "run ARTIFACT --source pictures --conf 1.5": r"--conf must lie between 0 and 1",
    "run ARTIFACT --source pictures --device TPU": r"Use --device CPU",
    "run ARTIFACT --source pictures --jsonl o --jsonl-every 9MB --jsonl-keep 9MB": r"at least twice --jsonl-every",
    "run ARTIFACT --source pictures --save one.png": r"--save one\.png is one picture, .*Use --save one/",
    "run ARTIFACT --source pictures --save o.mp4 --save-every 0.5s": r"--save-every must be at least 1s",
    "run ARTIFACT --source pictures --tls-insecure --tls-ca x.pem": r"--tls-ca, --tls-fingerprint and --tls-inse",
    "train --data pictures --encoder-lr 2": r"--encoder-lr must be over 0 and at most 1",
    "train --data pictures --lr 20": r"--lr must be between 0 and 10",
    "train --data pictures --qat": r"give its checkpoint: --weights best\.pt --qat",
    "train --data pictures --upsampling cubic": r"--upsampling must be nearest",
    "verify net.onnx --data pictures --trace --trace-out o.jpg": r"--trace-out is a PNG file",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_the_flags_that_were_typed(line, place, tiny_artifact, capsys):
    artifact = tiny_artifact("onnx")
    assert main([str(artifact.path) if word == "ARTIFACT" else word for word in line.split()]) == 2
    said = capsys.readouterr().err
    assert re.search(MISTAKES[line], said), said
    assert "`" not in said


def test_a_program_reads_the_same_mistake_in_its_own_words(tiny_artifact):
    with pytest.raises(UserError, match=r"^`threshold` must lie between 0 and 1; found 2\.0"):
        threshold_for(tiny_artifact("onnx"), 2.0)


def test_a_logged_event_names_flags_too(place, tiny_artifact, capsys):
    words = ["run", str(tiny_artifact("onnx").path), "--source", "pictures", "--conf", "3", "--log-json"]
    assert main(words) == 2
    assert json.loads(capsys.readouterr().err)["message"].startswith("--conf must lie")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`imgsz=(H, W)`, `mean=(-1.0, 0.5)`", "--imgsz H W, --mean -1.0 0.5"),
        ("`classes=('a', 'b c')`, `roi=(1, 2, 3, 4)`", "--classes a,'b c', --roi 1,2,3,4"),
        ("`half=True`, `may_build=False`, `pretrained=False`", "--half, --no-build, --no-pretrained"),
        ("`resize='stretch' | 'letterbox'`", "--resize stretch|letterbox"),
        ("`weights='a b.pt', qat=True`", "--weights 'a b.pt' --qat"),
        ("`format='onnx'` or `'openvino'`", "--format onnx or openvino"),
        ("`Distillation.weight`, `workspace_mb=64`", "--distill-weight, --workspace 64"),
        ("`colour`, `openssl x509 -in FILE`, `half=`, `f(x)`, `data`", None),
    ],
)
def test_names_in_backquotes_become_flags_and_nothing_else_changes(message, said):
    unknown = message.replace("`data`", "--data")
    assert name_flags(message) == (unknown if said is None else said)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("compare_speed(int8=INT8, fp32=FP32)", "bench INT8 --against FP32"),
        ("cut_to_depth(CKPT, depth=N)", "models --prune CKPT --depth N --out FILE"),
        ("diagnose()", "doctor"),
        ("edgeseg.evaluate('a b', DIR)", "evaluate 'a b' --data DIR"),
        ("edgeseg.export_model('$x.onnx', spec=ModelSpec(classes=('a', 'b')))", "export '$x.onnx' --classes a,b"),
        ("edgeseg.train(weights='b.pt', qat=True, data=DIR)", "train --weights b.pt --qat --data DIR"),
        ("measure_levels(CKPT)", "inspect CKPT --levels"),
        (
            "write_set('s.json', load_set('d', ..., count=9, seed=5), ...)",
            "calibrate MODEL -o s.json --data d -n 9 --seed 5",
        ),
    ],
)
def test_a_call_becomes_the_command_that_does_the_same(call, words):
    assert re.fullmatch(rf"\S*edgeseg {re.escape(words)}", name_flags(f"`{call}`"))


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_results_name_flags_as_text_and_as_json(flags, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "int8_forecast", lambda _: "Measure: `compare_speed(int8=INT8, fp32=FP32)`")
    main(["doctor", *flags])
    said = capsys.readouterr().out
    assert re.search(r"Measure: \S*edgeseg bench INT8 --against FP32", said)
    assert "`" not in said


def test_words_are_those_of_a_program_again_after_a_verb(capsys):
    with wording(name_flags):
        say("`max_drop`")
        complain("`max_drop`")
    assert reword("`max_drop`") == "`max_drop`"
    assert capsys.readouterr() == ("--max-drop\n", "--max-drop\n")


def test_each_limit_of_a_budget_has_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_budget_arguments(parser.add_argument_group("gate"))
    words = [word for number, name in enumerate(LIMITS, 1) for word in (f"--{name.replace('_', '-')}", str(number))]
    assert read_limits(parser.parse_args(words)) == {name: number for number, name in enumerate(LIMITS, 1)}
    assert read_limits(parser.parse_args([])) == {}
