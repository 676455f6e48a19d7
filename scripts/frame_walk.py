"""Say through which files and threads of edgeseg each frame goes: RTSP to a recording and a JSON line.

    python scripts/frame_walk.py ARTIFACT

A camera on loopback is run as a user would, ``edgeseg run --save out.mkv --jsonl out.jsonl``, with a profiler in every
process of it. Once masks come, calls are counted for a few seconds; a file is on the way when one of its functions is
called for four of five frames or more. What happens once a connection, a second or a file is not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "faults"))

from fault_camera import FaultCamera  # noqa: E402

FPS = 25
WINDOW_S = 6.0
SHARE = 0.8
THREADS = "threads"
WAIT_S = 120.0
PROFILER = """
THREADS = "threads"
import collections, json, os, sys, threading, time

root, out = os.environ["FRAME_WALK_ROOT"], os.environ["FRAME_WALK_OUT"]
calls, due_s = collections.Counter(), 0.0

def profile(frame, event, _):
    global due_s
    if event != "call":
        return
    code = frame.f_code
    if not code.co_filename.startswith(root):
        return
    name = getattr(code, "co_qualname", code.co_name)
    calls[f"{os.path.realpath(code.co_filename)}:{name}"] += 1
    calls[f"{THREADS} {threading.current_thread().name.partition('://')[0]}:{name}"] += 1
    now_s = time.monotonic()
    if now_s > due_s:
        due_s = now_s + 0.25
        path = f"{out}/{os.getpid()}"
        with open(f"{path}.new", "w") as file:
            json.dump([sys.argv[:1] + getattr(sys, "orig_argv", [])[1:], dict(calls)], file)
        os.replace(f"{path}.new", f"{path}.json")

threading.setprofile(profile)
sys.setprofile(profile)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose files are counted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = trace(args.artifact, args.root, Path(scratch))
    threads = {process: sorted(functions.pop(THREADS, ())) for process, functions in found.items()}
    for process, functions in found.items():
        print(f"{process}: {len(functions)} files, in the threads {', '.join(threads[process])}")
        for file, names in sorted(functions.items()):
            print(f"  {file}: {', '.join(sorted(names))}")
    files = {file for functions in found.values() for file in functions}
    print(f"{len(files)} files and {sum(map(len, threads.values()))} threads in all")
    return 0


def trace(artifact: Path, root: Path, scratch: Path) -> dict[str, dict[str, set[str]]]:
    """Run a camera; for each process that does something a frame, its files and their functions, and its threads."""
    (scratch / "sitecustomize.py").write_text(PROFILER)
    out, lines = scratch / "calls", scratch / "out.jsonl"
    out.mkdir()
    path = os.pathsep.join(filter(None, [str(scratch), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "FRAME_WALK_ROOT": f"{root}/", "FRAME_WALK_OUT": str(out)}
    with FaultCamera("ok", size="320x240", fps=FPS) as camera:
        words = ["run", artifact, "--source", camera.url, "--save", scratch / "out.mkv", "--jsonl", lines]
        run = subprocess.Popen(
            [sys.executable, "-m", "edgeseg", *map(str, words)], env=environment, stdout=subprocess.DEVNULL, cwd=scratch
        )
        try:
            wait_for_lines(lines, 2 * FPS)
            before, frames_before = read_calls(out), count_lines(lines)
            time.sleep(WINDOW_S)
            after, frames = read_calls(out), count_lines(lines) - frames_before
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(30)
    found: dict[str, dict[str, set[str]]] = {}
    for process, calls in after.items():
        for place, count in (calls - before.get(process, Counter())).items():
            where, _, name = place.rpartition(":")
            if count < SHARE * frames or "site-packages" in where:
                continue
            places = found.setdefault(process, {})
            if where.startswith(THREADS):
                places.setdefault(THREADS, set()).add(where.removeprefix(THREADS).strip())
            else:
                places.setdefault(str(Path(where).relative_to(root)), set()).add(name)
    return {process: places for process, places in found.items() if set(places) > {THREADS}}


def read_calls(folder: Path) -> dict[str, Counter[str]]:
    """Calls so far of each process, by what the process is."""
    found = {}
    for path in folder.glob("*.json"):
        words, calls = json.loads(path.read_text())
        named = [word for word in words if word.startswith("edgeseg.")]
        found[f"{named[-1] if named else 'edgeseg'} ({path.stem})"] = Counter(calls)
    return found


def count_lines(path: Path) -> int:
    """How many lines a file holds, which may not be there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for_lines(path: Path, count: int) -> None:
    """Wait until the file holds so many lines."""
    due_s = time.monotonic() + WAIT_S
    while count_lines(path) < count:
        if time.monotonic() > due_s:
            raise SystemExit(f"{path} holds {count_lines(path)} lines after {WAIT_S:g} s; {count} were expected.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
