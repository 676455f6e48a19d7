"""How much of a core each view of a 1080p frame takes, where other programs run beside it too.

::

    python benchmarks/overlay.py [--rounds 200]
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.runtime.sinks.painter import Painter
from edgeseg.runtime.sinks.views.settings import OF_CLASSES, VIEWS, ViewSettings
from edgeseg.spec import ModelSpec

SPEC = ModelSpec("multiclass", ("background", "road", "person"), 368, 480)


def make_inputs() -> tuple[Frame, Prediction]:
    """Make a frame of 1920x1080 without noise, and a mask of which two thirds are some class."""
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (90, 160, 3), dtype=np.uint8), (1920, 1080))
    labels = cv2.resize(
        random.integers(0, 3, (12, 16), dtype=np.uint8), (SPEC.width, SPEC.height), interpolation=cv2.INTER_NEAREST
    )
    return Frame(np.asarray(image, np.uint8), 0, 0.0, "benchmark"), Prediction(np.asarray(labels, np.uint8))


def main() -> None:
    """Print a row a view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    frame, prediction = make_inputs()
    print("| view | CPU time, shortest, ms | median |\n|---|---|---|")
    painters = {}
    for view in VIEWS:  # all of them first, so that the process has its memory, as one that decodes video has
        classes = ("person",) if view in OF_CLASSES else ()
        painters[view] = Painter(SPEC, legend=False, view=ViewSettings(view, classes))
        painters[view].paint(frame, prediction)
    for view, painter in painters.items():
        times = []
        for _ in range(rounds):
            start = time.thread_time()
            painter.paint(frame, prediction)
            times.append(1e3 * (time.thread_time() - start))
        print(f"| {view} | {min(times):.1f} | {sorted(times)[rounds // 2]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
