"""A missed budget is restored by few layers in float, or nothing is handed over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fitted import SPEC

from edgeseg.artifact import Artifact
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.quantizers.recipe import Recipe
from edgeseg.calibration.search import mixed_precision as float_search
from edgeseg.errors import GateFailed
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.runtime.engines.engine import open_engine

LIMITS = Budget(0.5, 2.0, 1.0)


@pytest.fixture(autouse=True)
def _without_timing(monkeypatch):
    monkeypatch.setattr(float_search, "BENCH_SECONDS", 0.0)


@pytest.mark.parametrize("model_format", ["openvino", "onnx", "tensorrt"])
def test_a_planted_outlier_costs_over_five_points_and_the_search_restores_them(
    outlier, images, samples, tmp_path, model_format
):
    place = OutputOptions(tmp_path / "out", "x")
    built = int8_artifact(outlier[model_format], images, place, samples, LIMITS, model_format)
    plain = built.search.ladder.rungs[0]
    assert (plain.kept, plain.holds) == ((), False)
    assert plain.drop_points > 5
    assert 1 <= len(built.search.ladder.chosen) <= 2
    assert built.comparison.drop(built.comparison.stages[-1]) <= 0.5
    assert built.artifact.measured["ladder"]["chosen"] == list(built.search.ladder.chosen)
    assert built.artifact.calibration["keep_float"] == sorted(built.search.ladder.chosen)
    assert [path.name for path in place.out.iterdir()] == [f"x-int8-{model_format}"], "the journal is gone"


def test_the_guilty_layer_is_the_reader_of_the_outlier(outlier, images, samples, tmp_path):
    built = int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path, "x"), samples, LIMITS)
    convolutions = [name for name, _ in built.search.ladder.risk]
    assert built.search.ladder.chosen == (convolutions[0],)
    assert "conv2d_2" in convolutions[0]


def test_what_is_published_is_what_was_measured(outlier, images, samples, tmp_path):
    built = int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path, "x"), samples, LIMITS)
    engine = open_engine(Artifact.open(built.artifact.path))
    slot = engine.open_slot()
    slot.input[...] = images.tensor(images.images[0])[0]
    assert set(slot.run().labels.ravel()) <= set(range(SPEC.num_classes))
    engine.close()
    assert (
        built.artifact.size_bytes
        == next(r for r in built.search.ladder.rungs if r.kept == built.search.ladder.chosen).bytes
    )


def test_without_a_search_the_first_measurement_decides(outlier, images, samples, tmp_path):
    limits = Budget(0.5, 2.0, 1.0, search=False)
    with pytest.raises(GateFailed, match=r"(?s)lost .* points of mIoU.*`max_drop` is 0.5"):
        int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path / "out", "x"), samples, limits)
    assert list((tmp_path / "out").iterdir()) == []


def test_layers_that_a_person_keeps_in_float_stay_there(outlier, images, samples, tmp_path):

    names = quantizer_for("openvino").layers(outlier["openvino"])
    recipe = Recipe(keep_float=frozenset(names[2:3]))
    built = int8_artifact(outlier["openvino"], images, OutputOptions(tmp_path, "x"), samples, LIMITS, recipe=recipe)
    assert built.search.ladder is None, "the guilty layer was in float from the start"
    assert built.artifact.calibration["keep_float"] == list(names[2:3])


def test_when_nothing_helps_the_guilty_and_the_next_step_are_named(outlier, images, samples, tmp_path):
    place = OutputOptions(tmp_path / "out", "x")
    impossible = Budget(0.0, 0.0, 0.0, max_change=0.0)
    with pytest.raises(GateFailed) as failure:
        int8_artifact(outlier["openvino"], images, place, samples, impossible)
    text = str(failure.value)
    assert "No choice of layers in float restores the budget" in text
    assert "conv2d_2" in text.partition("The layers that risk most are")[2]
    assert "`edgeseg.train(weights='best.pt', qat=True, data=DIR)`" in text
    assert [path.name for path in place.out.iterdir()] == [".x-int8-openvino.search"]
    built = int8_artifact(outlier["openvino"], images, place, samples, LIMITS)
    assert built.search.ladder.reused >= 2, "another budget starts from what was measured"
    assert [path.name for path in place.out.iterdir()] == ["x-int8-openvino"]


RUN = """
import sys, time, contextlib
from pathlib import Path
from edgeseg.artifact import Artifact
from edgeseg.calibration.search import mixed_precision as float_search
from edgeseg.proof.budget import Budget
from edgeseg.proof.publishing import OutputOptions
from edgeseg.calibration.images.load_set import load_set
from edgeseg.calibration.quantizers.quantizer import quantizer_for
from edgeseg.calibration.int8_artifact import int8_artifact
from edgeseg.proof.samples import samples_from
from edgeseg.errors import EdgesegError
parent, data, out, slow = sys.argv[1:]
float_search.BENCH_SECONDS = 0.0
artifact = Artifact.open(parent)
@contextlib.contextmanager
def told(title, total):
    print(title, flush=True)
    if slow == "slow" and "trial 2" in title:
        time.sleep(60)
    yield lambda: None
try:
    built = int8_artifact(artifact, load_set(Path(data), artifact.spec, 10), OutputOptions(Path(out), "x", told),
                          samples_from(Path(data), artifact.spec), Budget(0.5, 2.0, 1.0))
    print("REUSED", built.search.ladder.reused, "CHOSEN", len(built.search.ladder.chosen), flush=True)
except EdgesegError as error:
    print(type(error).__name__, error, flush=True)
    sys.exit(error.exit_code)
"""


def test_a_search_that_was_interrupted_goes_on_where_it_stopped(outlier, data, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-c", RUN, str(outlier["openvino"].path), str(data), str(out)]
    with subprocess.Popen([*command, "slow"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        for line in child.stdout:
            if "trial 2" in line:
                child.send_signal(signal.SIGINT)
        assert child.wait() != 0
    assert [path.name for path in out.iterdir()] == [".x-int8-openvino.search"]
    assert not list(out.rglob("making-*"))
    again = subprocess.run([*command, "fast"], stdout=subprocess.PIPE, text=True, check=True)
    assert "calibrate" not in again.stdout, "nothing is quantised twice"
    assert "rank layers" not in again.stdout
    assert "REUSED 1 CHOSEN 1" in again.stdout


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


DISK = """
set -e
mount -t tmpfs -o size={small} tmpfs {out}
set +e
{run}
echo "EXIT $?"
find {out} -name edgeseg.json -path '*x-int8*' -not -path '*.search/*'
mount -o remount,size=50m {out}
{run}
echo "EXIT $?"
ls -A {out}
"""


@pytest.mark.skipif(not can_mount(), reason="no user namespaces here")
@pytest.mark.parametrize("small", ["60k", "140k"])
def test_a_full_disk_is_said_and_the_next_run_goes_on(outlier, data, tmp_path, small):
    out = tmp_path / "disk"
    out.mkdir()
    (tmp_path / "run.py").write_text(RUN)
    run = f"{sys.executable} {tmp_path / 'run.py'} {outlier['openvino'].path} {data} {out} fast"
    script = DISK.format(small=small, out=out, run=run)
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout
    first, _, second = found.partition("EXIT 2")
    assert "OutputError" in first
    assert "edgeseg.json" not in second
    assert "CHOSEN 1" in second
    assert second.rstrip().endswith("EXIT 0\nx-int8-openvino")


def test_the_ladder_in_the_manifest_is_plain_json(outlier, images, samples, tmp_path):
    built = int8_artifact(outlier["onnx"], images, OutputOptions(tmp_path, "x"), samples, LIMITS, "onnx")
    manifest = json.loads(Path(built.artifact.path, "edgeseg.json").read_text())
    assert manifest["measured"]["ladder"] == built.search.ladder.to_dict()
