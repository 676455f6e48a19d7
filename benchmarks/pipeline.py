"""How fast `edgeseg run` is against what else one would use, on the same clip and network.

    python -m venv build/modelapi-venv
    build/modelapi-venv/bin/pip install openvino openvino-model-api
    python benchmarks/pipeline.py --artifact NAME-fp32-openvino --onnx-artifact NAME-fp32-onnx --clip CLIP.mp4

Contenders take turns, one process each, for --rounds rounds; each warms up before its clock starts.

    edgeseg        the pipeline of `edgeseg run` without display or files, two slots
    edgeseg-ort    the same with the ONNX artifact
    benchmark_app  OpenVINO's own, `-hint throughput`, on the same IR: no decoding, no resizing
    cv2+ort        a plain loop: VideoCapture, resize, ONNX Runtime session with its defaults
    cv2+openvino   a plain loop: VideoCapture, resize, compiled model
    modelapi       Intel's openvino-model-api: AsyncPipeline over SegmentationModel, with the library's defaults
    modelapi-tuned the same with the THROUGHPUT hint and without the soft prediction, which few would know to set

All OpenVINO contenders compute at the same precision (--precision, f32 by default: CPUs with AMX would else
choose bfloat16 for some). modelapi cannot take a finished label map, so it gets the same IR cut before
ArgMax, embeds its own resize, and gives masks at the frame's size; it lives in an environment of its own
because it needs opencv-python-headless. It is left out where --modelapi-python does not exist.

The bound below the table is what decoding, conversion, resizing and the network cost in core-ms, each done alone.
--busy N starts N processes that compute for nothing beside all contenders, and ends them.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline_bound import PARTS, describe_bound, keep_busy

TARGETS = {"benchmark_app": 0.88, "cv2+ort": 1.05, "modelapi": 1.8}


def main() -> int:
    args = _arguments()
    if args.worker:
        print(json.dumps(_timed(args)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        names = _contenders(args)
        if any(name.startswith("modelapi") for name in names):
            args.logits_ir = _logits_ir(args.artifact / "model.xml", Path(scratch, "logits.xml"))
        with keep_busy(args.busy):
            rounds = [_one_round(args, names, number) for number in range(args.rounds)]
            parts = [_parts(args) for _ in range(args.rounds)]
    _print_table(rounds, args.precision)
    if "edgeseg" in names:
        core_ms = statistics.median(round_["edgeseg"]["core_ms"] for round_ in rounds)
        print(describe_bound({name: statistics.median(one[name] for one in parts) for name in PARTS}, core_ms))
    if not args.busy:
        _print_limits(args)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifact", type=Path, required=True, help="OpenVINO artifact directory")
    parser.add_argument("--onnx-artifact", type=Path, required=True, help="ONNX artifact directory")
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300, help="frames a contender and round (default: 300)")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="busy processes beside it (default: 0)")
    parser.add_argument("--precision", choices=("f32", "auto"), default="f32")
    parser.add_argument("--modelapi-python", type=Path, default=Path("build/modelapi-venv/bin/python"))
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these contenders only")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--logits-ir", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _contenders(args: argparse.Namespace) -> list[str]:
    names = [*WORKERS, "benchmark_app"]
    if not args.modelapi_python.exists():
        print(f"modelapi is left out: there is no {args.modelapi_python} (see the top of this file)")
        names = [name for name in names if not name.startswith("modelapi")]
    return [name for name in names if name in args.only] if args.only else names


def _one_round(args: argparse.Namespace, names: list[str], number: int) -> dict[str, dict[str, float]]:
    """Every contender once; each round starts with another one."""
    turned = names[number % len(names) :] + names[: number % len(names)]
    results = {name: _benchmark_app(args) if name == "benchmark_app" else _worker(args, name) for name in turned}
    print(f"round {number + 1}: " + ", ".join(f"{name} {results[name]['fps']:.1f}" for name in names), flush=True)
    return results


def _worker(args: argparse.Namespace, name: str) -> dict[str, float]:
    python = str(args.modelapi_python) if name.startswith("modelapi") else sys.executable
    words = [python, __file__, "--worker", name, "--artifact", args.artifact, "--onnx-artifact", args.onnx_artifact]
    words += ["--clip", args.clip, "--frames", args.frames, "--precision", args.precision]
    if args.logits_ir:
        words += ["--logits-ir", args.logits_ir]
    answer = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def _parts(args: argparse.Namespace) -> dict[str, float]:
    """Each part of the way alone, in a process of its own."""
    words = [args.artifact, args.clip, args.frames, args.precision]
    script = Path(__file__).with_name("pipeline_bound.py")
    answer = subprocess.run([sys.executable, script, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    parts: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return parts


def _benchmark_app(args: argparse.Namespace) -> dict[str, float]:
    program = Path(sys.executable).with_name("benchmark_app")
    words = [program, "-m", args.artifact / "model.xml", "-d", "CPU", "-hint", "throughput", "-niter", args.frames]
    if args.precision != "auto":
        words += ["-infer_precision", args.precision]
    answer = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    found = re.search(r"Throughput:\s+([\d.]+) FPS", answer.stdout)
    if found is None:
        raise SystemExit(f"benchmark_app printed no throughput:\n{answer.stdout[-2000:]}")
    return {"fps": float(found[1])}


def _timed(args: argparse.Namespace) -> dict[str, float]:
    """Run one contender here: frames a second and CPU milliseconds a frame."""
    job = WORKERS[args.worker](args)
    next(job)  # opened and warmed up
    cpu, start = _cpu_s(), time.perf_counter()
    frames = next(job)
    seconds, cpu = time.perf_counter() - start, _cpu_s() - cpu
    return {"fps": frames / seconds, "core_ms": cpu * 1e3 / frames}


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _edgeseg(path: Path, args: argparse.Namespace) -> Iterator[int]:
    from edgeseg.artifact import Artifact
    from edgeseg.runtime.engines.engine import open_engine
    from edgeseg.runtime.engines.threshold import threshold_for
    from edgeseg.runtime.pipeline import Pipeline
    from edgeseg.runtime.sources.source import open_source

    artifact = Artifact.open(path)
    engine = open_engine(artifact, slots=2, precision=args.precision)
    _warm_up(engine.open_slot().run)
    with open_source(str(args.clip)) as source:
        yield 0
        yield Pipeline(engine, source, 2, threshold_for(artifact), args.frames).run().frames


def _cv2_ort(args: argparse.Namespace) -> Iterator[int]:
    import onnxruntime

    session = onnxruntime.InferenceSession(args.onnx_artifact / "model.onnx", providers=["CPUExecutionProvider"])
    yield from _plain_loop(args, lambda image: session.run(["labels"], {"image": image})[0][0])


def _cv2_openvino(args: argparse.Namespace) -> Iterator[int]:
    import openvino

    config = {} if args.precision == "auto" else {"INFERENCE_PRECISION_HINT": args.precision}
    model = openvino.Core().compile_model(str(args.artifact / "model.xml"), "CPU", config)
    yield from _plain_loop(args, lambda image: model(image)["labels"][0])


def _plain_loop(args: argparse.Namespace, infer: Callable[[Any], Any]) -> Iterator[int]:
    import cv2
    import numpy as np

    height, width = _network_size(args.artifact)
    _warm_up(lambda: infer(np.zeros((1, height, width, 3), np.uint8)))
    capture = cv2.VideoCapture(str(args.clip))
    yield 0
    frames = 0
    while frames < args.frames:
        good, image = capture.read()
        if not good:
            break
        infer(cv2.resize(image, (width, height))[None])
        frames += 1
    yield frames


def _modelapi(args: argparse.Namespace, is_tuned: bool) -> Iterator[int]:
    import cv2
    import numpy as np
    from model_api.adapters import OpenvinoAdapter, create_core, get_user_config
    from model_api.models import SegmentationModel
    from model_api.pipelines import AsyncPipeline

    # What create_model() would do, but on CPU and at a stated precision, which it has no way to pass on.
    config = {"PERFORMANCE_HINT": "THROUGHPUT"} if is_tuned else get_user_config("CPU", "1")
    if args.precision != "auto":
        config["INFERENCE_PRECISION_HINT"] = args.precision
    adapter = OpenvinoAdapter(create_core(), str(args.logits_ir), device="CPU", plugin_config=config)
    pipeline = AsyncPipeline(SegmentationModel(adapter, {"return_soft_prediction": not is_tuned}))
    capture = cv2.VideoCapture(str(args.clip))
    _warm_up(lambda: pipeline.model(np.zeros((432, 768, 3), np.uint8)))
    yield 0
    sent = done = 0
    is_open = True
    while is_open or done < sent:
        while pipeline.get_result(done):
            done += 1
        if is_open and pipeline.is_ready():
            is_open, image = capture.read()
            is_open = is_open and sent < args.frames
            if is_open:
                pipeline.submit_data(image, sent)
                sent += 1
        elif done < sent:
            pipeline.await_any() if is_open else pipeline.await_all()
    yield done


WORKERS: dict[str, Callable[[argparse.Namespace], Iterator[int]]] = {
    "edgeseg": lambda args: _edgeseg(args.artifact, args),
    "edgeseg-ort": lambda args: _edgeseg(args.onnx_artifact, args),
    "cv2+ort": _cv2_ort,
    "cv2+openvino": _cv2_openvino,
    "modelapi": lambda args: _modelapi(args, is_tuned=False),
    "modelapi-tuned": lambda args: _modelapi(args, is_tuned=True),
}


def _warm_up(run: Callable[[], object]) -> None:
    for _ in range(5):
        run()


def _network_size(artifact: Path) -> tuple[int, int]:
    spec = json.loads((artifact / "edgeseg.json").read_text())["spec"]
    return spec["height"], spec["width"]


def _logits_ir(model_path: Path, target: Path) -> Path:
    """The same network with the values ArgMax reads as its only output."""
    import openvino

    model = openvino.Core().read_model(model_path)
    node = model.output("labels").get_node()
    while node.get_type_name() not in ("TopK", "Less"):  # Less: what ReduceMin and Select stand on instead of ArgMax
        node = node.input_value(0).get_node()
    cut = openvino.Model([node.input_value(0)], model.get_parameters(), "logits")
    cut.output(0).get_tensor().set_names({"logits"})
    openvino.save_model(cut, target, compress_to_fp16=False)
    return target


def _print_table(rounds: list[dict[str, dict[str, float]]], precision: str) -> None:
    print(
        f"\nmedian of {len(rounds)} rounds; ratio = edgeseg / contender within a round; OpenVINO precision {precision}"
    )
    print(f"{'contender':<15}{'fps':>8}{'core-ms':>9}{'ratio':>8}{'worst':>8}{'target':>8}")
    for name in rounds[0]:
        ratios = (
            [round_["edgeseg"]["fps"] / round_[name]["fps"] for round_ in rounds] if "edgeseg" in rounds[0] else [0]
        )
        fps = statistics.median(round_[name]["fps"] for round_ in rounds)
        core_ms = statistics.median(round_[name].get("core_ms", float("nan")) for round_ in rounds)
        target = f"{TARGETS[name]:8.2f}" if name in TARGETS else ""
        print(f"{name:<15}{fps:>8.1f}{core_ms:>9.2f}{statistics.median(ratios):>8.2f}{min(ratios):>8.2f}{target}")


def _print_limits(args: argparse.Namespace) -> None:
    """What a user notices: import time, start to first mask, and memory of a run that records."""
    code = "import time; s = time.perf_counter(); import edgeseg.runtime.pipeline; print(time.perf_counter() - s)"
    imports = min(float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5))
    run = [sys.executable, "-m", "edgeseg", "run", str(args.artifact), "--source", str(args.clip)]
    starts = min(_seconds([*run, "--max-frames", "1"]) for _ in range(5))
    with tempfile.TemporaryDirectory() as scratch:
        _seconds([*run, "--max-frames", str(args.frames), "--save", f"{scratch}/out.mp4"])
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nimport edgeseg.runtime.pipeline: {imports:.2f} s (limit 0.3)")
    print(f"edgeseg run --max-frames 1, whole process, cached engine: {starts:.2f} s (limit 1.5 to the first mask)")
    print(f"largest resident memory of any process started here, among them edgeseg run --save: {peak_mb:.0f} MB")


def _seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
