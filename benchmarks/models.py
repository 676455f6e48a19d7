"""What networks cost: ours against segmentation_models_pytorch (MIT), untrained, at the same input, in one run.

    python -m venv build/smp-venv
    build/smp-venv/bin/pip install torch==2.14.1 torchvision==0.29.1 onnx onnxscript
    build/smp-venv/bin/pip install segmentation-models-pytorch==0.6.0 timm==1.0.31
    python benchmarks/models.py --work build/models-benchmark --seconds 300

The peers need torchvision, whose wheels want the CUDA build of torch: an environment of their own, of 5.6 GB. This
same file, run there (--smp-python), writes them to ONNX, and they go the way of any foreign ONNX file: `edgeseg export
peer.onnx --classes ... --mean ...`. They are left out, with a word, where that environment does not exist. They need
multiples of 32 pixels and get what our networks have inside: zeros at the bottom and right, cropped from the logits.

Columns: weights, GFLOP for one image (2 a multiply-add, convolutions alone, counted by torch on the module),
p50 in milliseconds of single runs taken in turns, and how many times the time of the first network that is (a
median over the rounds). mIoU is of a trained network of that kind: --trained lite-unet=DIR/results.json, which
`edgeseg evaluate ARTIFACT --out DIR` wrote.
INT8 files are made from generated pictures and no accuracy is asked of them here. A file that export refuses is
left out, with its reason, and shown as "-". What has been made in --work is not made again. Close other programs first.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OURS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "lite-unet": ("lite-unet", {}),
    "unet": ("unet", {}),
    "unet --stem-stride 2": ("unet", {"stem_stride": 2}),
    "mobile-unet": ("mobile-unet", {}),
    "fcn8s": ("fcn8s", {}),
}
PEERS: Mapping[str, tuple[str, str]] = {
    "smp Unet mobilenet_v2": ("Unet", "mobilenet_v2"),
    "smp Unet timm-mobilenetv3_small_100": ("Unet", "timm-mobilenetv3_small_100"),
    "smp FPN resnet18": ("FPN", "resnet18"),
}
KINDS = (("fp32", "openvino"), ("int8", "openvino"), ("fp32", "onnx"), ("int8", "onnx"))
HEIGHT, WIDTH, CLASSES = 360, 480, 11
PICTURES = 16
NO_LIMITS = (
    "--max-drop",
    "100",
    "--max-class-drop",
    "100",
    "--max-boundary-drop",
    "100",
    "--max-confidence-change",
    "100",
    "--no-search",
)


def main() -> int:
    args = _arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    if args.write_peers:
        _write_peers(args.work)
        return 0
    facts = _our_checkpoints(args.work) | _peer_files(args.work, args.smp_python)
    facts = {name: fact for name, fact in facts.items() if not args.only or name in args.only}
    artifacts = {name: _artifacts(args.work, name, fact) for name, fact in facts.items()}
    print(_report(facts, artifacts, _recorded(args.trained), args.seconds))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/models-benchmark"), help="where files are made")
    parser.add_argument("--smp-python", type=Path, default=Path("build/smp-venv/bin/python"))
    parser.add_argument("--trained", nargs="*", default=[], metavar="NAME=RESULTS", help="whose mIoU is shown")
    parser.add_argument("--seconds", type=float, default=300, help="of timing for all together (at least 20 rounds)")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="some of the networks, as their rows are called")
    parser.add_argument("--write-peers", action="store_true", help="only write the peers' ONNX files (own environment)")
    return parser.parse_args()


def _slug(name: str) -> str:
    return name.replace(" --", "-").replace(" ", "-").replace("_", "-")


def _our_checkpoints(work: Path) -> dict[str, dict[str, Any]]:
    """Fresh weights in checkpoints, as training would write them."""
    import torch

    from edgeseg.models.profile import gflop
    from edgeseg.models.registry import build_model, count_weights
    from edgeseg.spec import ModelSpec
    from edgeseg.training.checkpoint import save_checkpoint

    spec = ModelSpec("multiclass", tuple(f"c{index}" for index in range(CLASSES)), HEIGHT, WIDTH)
    facts = {}
    for name, (model_name, options) in OURS.items():
        torch.manual_seed(0)
        model = build_model(model_name, spec, options)
        path = work / f"{_slug(name)}.pt"
        if not path.exists():
            save_checkpoint(path, {"name": model_name, "options": options}, spec, model.state_dict(), {})
        work_done = gflop(model.to("meta").eval(), spec)
        facts[name] = {"file": path, "weights": count_weights(model), "gflop": work_done, "flags": ()}
    return facts


def _peer_files(work: Path, python: Path) -> dict[str, dict[str, Any]]:
    """ONNX files of the peers, written in their environment."""
    if not python.exists():
        print(f"{python} is not there: the peers are left out (see the top of this file).", file=sys.stderr)
        return {}
    if not (work / "peers.json").exists():
        subprocess.run([python, __file__, "--write-peers", "--work", work], check=True)
    names = ",".join(f"c{index}" for index in range(CLASSES))
    flags = ("--task", "multiclass", "--classes", names, "--color-order", "rgb", "--resize", "stretch")
    flags += ("--mean", "0.485", "0.456", "0.406", "--std", "0.229", "0.224", "0.225")
    found = json.loads((work / "peers.json").read_text())
    return {name: {**fact, "file": work / f"{_slug(name)}.onnx", "flags": flags} for name, fact in found.items()}


def _write_peers(work: Path) -> None:
    """In the peers' environment; nothing of edgeseg is imported here."""
    import segmentation_models_pytorch as smp
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    class Padded(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            padded = nn.functional.pad(x, (0, -WIDTH % 32, 0, -HEIGHT % 32))
            return self.network(padded)[..., :HEIGHT, :WIDTH]

    facts, image = {}, torch.zeros(1, 3, HEIGHT, WIDTH)
    for name, (family, encoder) in PEERS.items():
        torch.manual_seed(0)
        network = getattr(smp, family)(encoder, encoder_weights=None, classes=CLASSES)
        model = Padded(network).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(image)
        path = str(work / f"{_slug(name)}.onnx")
        torch.onnx.export(model, (image,), path, dynamo=True, external_data=False, verbose=False)
        weights = sum(p.numel() for p in model.parameters() if p.requires_grad)
        facts[name] = {"weights": weights, "gflop": counter.get_total_flops() / 1e9}
    (work / "peers.json").write_text(json.dumps(facts))


def _artifacts(work: Path, name: str, fact: Mapping[str, Any]) -> dict[tuple[str, str], Path]:
    """fp32 and INT8 for both engines, by the verbs that anyone would type."""
    from edgeseg.cli import main as edgeseg

    slug = _slug(name)
    paths = {(precision, kind): work / f"{slug}-{precision}-{kind}" for precision, kind in KINDS}
    common = ("--int8", "--data", str(_pictures(work)), *NO_LIMITS, "--out", str(work), "--name", slug)
    runs = (
        (paths["int8", "openvino"], [str(fact["file"]), *fact["flags"], "--format", "openvino"]),
        (paths["int8", "onnx"], [str(paths["fp32", "onnx"]), "--format", "onnx"]),
    )
    for made, command in runs:
        if not made.exists():
            print(f"making {made.name}", file=sys.stderr, flush=True)
            with contextlib.redirect_stdout(io.StringIO()):
                code = edgeseg(["export", *command, *common])
            if code:
                print(f"edgeseg export {' '.join(command)} ended with {code}: left out", file=sys.stderr)
    return {kind: path for kind, path in paths.items() if path.exists()}


def _pictures(work: Path) -> Path:
    """Clouds of random colours, the same every time."""
    import cv2
    import numpy as np

    folder = work / "pictures"
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(PICTURES):
        coarse = rng.integers(0, 256, (6 + 2 * index, 8 + 2 * index, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index:02}.png"), cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    return folder


def _recorded(trained: list[str]) -> dict[str, float]:
    pairs = (one.partition("=") for one in trained)
    return {name: json.loads(Path(path).read_text(encoding="utf-8"))["mean_iou"] for name, _, path in pairs}


def _report(
    facts: Mapping[str, Mapping[str, Any]],
    artifacts: Mapping[str, Mapping[tuple[str, str], Path]],
    miou: Mapping[str, float],
    seconds: float,
) -> str:
    import numpy as np

    from edgeseg.artifact import Artifact
    from edgeseg.console.text_table import format_table
    from edgeseg.runtime.measure.bench import rounds_in_turns
    from edgeseg.runtime.system.machine import this_cpu

    opened = [Artifact.open(path) for paths in artifacts.values() for path in paths.values()]
    made = [kind in paths for paths in artifacts.values() for kind in KINDS]
    measured = rounds_in_turns(opened, seconds)
    rounds = np.full((len(measured), len(made)), np.nan)
    rounds[:, made] = measured
    rounds = rounds.reshape(-1, len(artifacts), len(KINDS))
    ratios = np.median(rounds / rounds[:, :1], 0)
    p50 = 1e3 * np.median(rounds, 0)
    heads = [f"{kind} {precision}" for precision, kind in KINDS]
    rows = [["network", "weights", "GFLOP", "mIoU", *(cell for head in heads for cell in (f"{head} ms", "times"))]]
    for row, (name, fact) in enumerate(facts.items()):
        known = f"{miou[name]:.3f}" if name in miou else "-"
        timed = _cells(p50[row], ratios[row])
        rows.append([name, f"{fact['weights'] / 1e6:.2f} M", f"{fact['gflop']:.2f}", known, *timed])
    return f"{this_cpu().name}, {HEIGHT}x{WIDTH}, {CLASSES} classes, {len(rounds)} rounds\n{format_table(rows)}"


def _cells(p50: Any, ratios: Any) -> Iterator[str]:
    for milliseconds, ratio in zip(p50, ratios, strict=True):
        yield "-" if math.isnan(milliseconds) else f"{milliseconds:.1f}"
        yield "-" if math.isnan(ratio) else f"{ratio:.2f}"


if __name__ == "__main__":
    sys.exit(main())
