"""How long regions, zones and rules of a 720p frame of one class take, on one core.

::

    python benchmarks/analysis.py [--repeat 200]

The label map is as large as the frame, which is the most that there is to look at; a person, a hole, and specks.
"""

from __future__ import annotations

import argparse
import json
import time

import cv2
import numpy as np

from edgeseg.runtime.analysis.analyzer import Analyzer
from edgeseg.runtime.analysis.settings import AnalysisSettings
from edgeseg.runtime.analysis.shapes import Line, Zone
from edgeseg.runtime.frames.frame import Frame, Prediction
from edgeseg.spec import ModelSpec

HEIGHT, WIDTH = 720, 1280
DOOR = Zone("door", ((0.4, 0.1), (0.7, 0.1), (0.7, 1.0), (0.4, 1.0)))
FENCE = Line("fence", ((0.0, 0.6), (1.0, 0.6)))
RULES = ("person in door > 2% for 3s", "count person >= 2", "person touches fence")
SETTINGS = AnalysisSettings(regions=True, zones=(DOOR,), lines=(FENCE,), alerts=RULES)


def draw_mask() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Draw a person with a hole between arm and body, another one far away, and two specks."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (640, 400), (110, 260), 8, 0, 360, 1, -1)
    cv2.circle(mask, (640, 110), 55, 1, -1)
    cv2.ellipse(mask, (600, 350), (12, 60), 5, 0, 360, 0, -1)
    cv2.ellipse(mask, (200, 300), (30, 90), 0, 0, 360, 1, -1)
    for x, y in ((1000, 100), (1100, 500)):
        cv2.circle(mask, (x, y), 3, 1, -1)
    return mask


def time_analysis(repeat: int) -> list[float]:
    """Time the analysis of so many frames, each with a mask of its own; in ms."""
    cv2.setNumThreads(1)
    analyzer = Analyzer(ModelSpec("binary", ("background", "person"), HEIGHT, WIDTH), SETTINGS)
    picture, mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8), draw_mask()
    times = []
    for index in range(repeat):
        prediction = Prediction(mask.copy())
        frame = Frame(picture, index, index / 25, "camera", media_s=index / 25)
        start = time.perf_counter()
        analyzer.analyze(frame, prediction)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Print the times as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=200)
    times = time_analysis(parser.parse_args().repeat)
    values = {f"p{at}_ms": round(float(np.percentile(times, at)), 3) for at in (50, 95)}
    print(json.dumps({"frames": len(times), "least_ms": round(min(times), 3), **values}))


if __name__ == "__main__":
    main()
