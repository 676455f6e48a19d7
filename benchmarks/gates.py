"""Do the gates cry wolf, and do they sleep? `edgeseg check` and the pytest plugin, run again and again.

    python benchmarks/gates.py FOLDER --runs 30
    python benchmarks/gates.py FOLDER --only check-saved --runs 30
    python benchmarks/gates.py FOLDER --only minute --runs 5

Each kind of run is a process of its own, as in continuous integration. Every other one has a process beside it that
loads one core. FOLDER keeps what was made and a JSON line a run, so that a call goes on where the last one ended.

==============  =====================================================================  ==================
kind            what is checked                                                        right is
==============  =====================================================================  ==================
unchanged       the shipped network: IoU on 100 pictures, latency beside its own copy  passed
slow            a graph that does 10 % more work, latency beside the unchanged one     failed
lossy           30 networks of other weights, each 0.5 points worse on 100 pictures    failed
saved           the unchanged one against its ratio of another process                 passed
saved-slow      the slow one against that                                              failed
minute          a network of 1 M weights: its IoU on 100 pictures, and its latency     under 60 s
==============  =====================================================================  ==================

The network of 1 M weights is the shipped one with every channel twice, whose masks are the same.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
from injections import copy_with, lose_points, slow_down

import edgeseg
from edgeseg.artifact import Artifact
from edgeseg.demo.cells import write_dataset
from edgeseg.export import build

CHECKPOINT = Path(edgeseg.__file__).parent / "assets" / "cells.pt"
IMAGES, SIZE, SEED, SLOWER, POINTS = 100, 128, 77, 0.10, 0.5
VERDICTS = {0: "passed", 1: "failed", 4: "cannot tell"}
KINDS = ("check unchanged", "check slow", "check lossy", "pytest unchanged", "pytest slow", "pytest lossy")
OTHERS = ("check saved", "check saved-slow", "check minute")
TESTS = {
    "unchanged": "def test_both(assert_iou, assert_latency):\n    assert_iou()\n    assert_latency()\n",
    "slow": "def test_it(assert_latency):\n    assert_latency()\n",
    "lossy": "def test_it(assert_iou):\n    assert_iou()\n",
}


class Folder:
    """What is checked, made when it is asked for first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        """Quarters of scenes, so that a run is short."""
        path = self.root / "cells"
        if not path.exists():
            write_dataset(path, 1, IMAGES // 4, 2 * SIZE, SEED)
            for picture in [*path.rglob("*.png")]:
                cut_in_four(picture)
        return path

    @property
    def large_data(self) -> Path:
        path = self.root / "large-cells"
        if not path.exists():
            write_dataset(path, 1, IMAGES, 2 * SIZE, SEED)
        return path

    def unchanged(self) -> Artifact:
        path = self.root / "cells-fp32-onnx"
        if path.exists():
            return Artifact.open(path)
        build.PARITY_IMAGES = IMAGES  # the proof of a float export is of fewer pictures, that of INT8 of all
        return edgeseg.export_model(CHECKPOINT, data=self.data, format="onnx", out=self.root, name="cells", imgsz=SIZE)

    def before(self) -> Path:
        path = self.root / "before" / "cells-fp32-onnx"
        if not path.exists():
            import onnx

            unchanged = self.unchanged()
            copy_with(unchanged, path, onnx.load(unchanged.model_path))
        return path

    def slow(self) -> Path:
        path = self.root / "slow" / "cells-fp32-onnx"
        if not path.exists():
            _, ratio = slow_down(self.unchanged(), path, SLOWER)
            print(
                f"slow: {ratio.ratio:.4f} runs of the unchanged one ({ratio.low:.4f} to {ratio.high:.4f})", flush=True
            )
        return path

    def lossy(self, number: int) -> Path:
        path = self.root / f"lossy-{number}" / "cells-fp32-onnx"
        if not path.exists():
            _, lost, said = lose_points(self.unchanged(), path, number, POINTS, self.measure)
            print(f"lossy {number}: {said}, {lost:.3f} points", flush=True)
        return path

    def saved(self) -> Path:
        path = self.root / "latency.json"
        if not path.exists():
            subprocess.run([*edgeseg_words("check", self.unchanged().path), "--save-baseline", path], check=True)
        return path

    def large(self) -> Artifact:
        path = self.root / "large-fp32-onnx"
        if not path.exists():
            build.PARITY_IMAGES = IMAGES
            net, spec = double_channels(CHECKPOINT)
            edgeseg.export_model(net, spec=spec, data=self.large_data, format="onnx", out=self.root, name="large")
        return Artifact.open(path)

    def measure(self, artifact: Artifact) -> float:
        return edgeseg.evaluate(artifact, self.data).confusion.mean_iou


def cut_in_four(picture: Path) -> None:
    """Replace a picture or a mask by its quarters."""
    whole = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
    picture.unlink()
    for number, (top, left) in enumerate(itertools.product((0, SIZE), repeat=2)):
        cv2.imwrite(str(picture.with_stem(f"{picture.stem}-{number}")), whole[top : top + SIZE, left : left + SIZE])


@cache
def double_channels(checkpoint: Path) -> tuple[object, edgeseg.ModelSpec]:
    """A network of twice the width whose masks are those of a checkpoint: each channel twice, its readers halved."""
    from edgeseg.models.registry import build_model, count_weights
    from edgeseg.training.checkpoint import load_model

    loaded = load_model(checkpoint)
    options = loaded.architecture["options"]
    wide = build_model(loaded.architecture["name"], loaded.spec, {**options, "width": 2 * options["width"]})
    state, found = loaded.model.state_dict(), {}
    for name, target in wide.state_dict().items():
        value = state[name]
        doubled = [at for at in range(value.ndim) if target.shape[at] == 2 * value.shape[at]]
        for at in doubled:
            value = value.repeat_interleave(2, at)
        if value.ndim == 4 and (0 if ".ups." in name else 1) in doubled:
            value = value / 2
        found[name] = value
    wide.load_state_dict(found)
    print(f"large: {count_weights(wide)} weights", flush=True)
    return wide.eval(), loaded.spec


def edgeseg_words(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgeseg", *map(str, words)]


def words_of(kind: str, number: int, folder: Folder) -> list[str]:
    """The command of one run."""
    tool, case = kind.split()
    if case == "minute":
        latency = ["--baseline", folder.large().path]
        return edgeseg_words("check", folder.large().path, "--data", folder.large_data, *latency)
    artifact = {"slow": folder.slow, "saved-slow": folder.slow, "lossy": lambda: folder.lossy(number)}.get(
        case, lambda: folder.unchanged().path
    )()
    needs = [] if case in ("slow", "saved", "saved-slow") else ["--data", folder.data]
    if case != "lossy":
        baseline = folder.saved() if case.startswith("saved") else folder.before()
        if case in ("slow", "saved-slow"):
            baseline = folder.saved() if case == "saved-slow" else folder.unchanged().path
        needs += ["--baseline", baseline]
    if tool == "check":
        return edgeseg_words("check", artifact, *needs)
    test = folder.root / f"test_{case}.py"
    test.write_text(TESTS[case], encoding="utf-8")
    options = [f"--edgeseg-{name[2:]}={value}" for name, value in zip(needs[::2], needs[1::2], strict=True)]
    words = ["-q", "-rs", "-p", "no:cacheprovider", f"--rootdir={folder.root}", f"--edgeseg-artifact={artifact}"]
    return [sys.executable, "-m", "pytest", str(test), *words, *options]


@contextlib.contextmanager
def loaded_core(is_loaded: bool) -> Iterator[None]:
    """Run a process beside this one that never rests."""
    if not is_loaded:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burner:
        try:
            yield
        finally:
            burner.kill()


def run_once(kind: str, number: int, folder: Folder) -> dict[str, object]:
    words = words_of(kind, number, folder)
    load = os.getloadavg()[0]
    with loaded_core(number % 2 == 1):
        start = time.perf_counter()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    said = done.stdout + done.stderr
    verdict = VERDICTS.get(done.returncode, f"exit {done.returncode}")
    if kind.startswith("pytest") and done.returncode == 0 and "cannot tell:" in said:
        verdict = "cannot tell"
    values = {"kind": kind, "number": number, "verdict": verdict, "seconds": round(seconds, 1), "load": round(load, 1)}
    return {**values, "said": said[-1500:]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=30, help="of each kind")
    parser.add_argument("--only", nargs="*", help=f"kinds that begin so, of {', '.join(KINDS + OTHERS)}")
    args = parser.parse_args()
    kinds = [one for one in KINDS + OTHERS if any(map(one.startswith, args.only))] if args.only else list(KINDS)
    folder, log = Folder(args.folder.resolve()), args.folder / "runs.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    results = [json.loads(line) for line in lines]
    known = {(one["kind"], one["number"]) for one in results}
    for number in range(args.runs):
        for kind in kinds:
            if (kind, number) in known:
                continue
            found = run_once(kind, number, folder)
            results.append(found)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{number:3d} {kind:18s} {found['verdict']:12s} {found['seconds']:6.1f} s", flush=True)
    for kind in kinds:
        mine = [one for one in results if one["kind"] == kind]
        counts = Counter(str(one["verdict"]) for one in mine)
        seconds = sorted(float(str(one["seconds"])) for one in mine)
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        print(f"{kind:18s} {said}; {seconds[len(seconds) // 2]:.1f} s, at most {seconds[-1]:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
