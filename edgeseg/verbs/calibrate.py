"""``edgeseg calibrate``: an fp32 OpenVINO artifact becomes a verified INT8 one."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgeseg.errors import UserError
from edgeseg.files import check_writable
from edgeseg.verbs.export import check_name, default_out, report, warn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, help="fp32 OpenVINO artifact")
    parser.add_argument("--data", type=Path, required=True, help="data folder, or a folder of sample images")
    parser.add_argument("--eval-data", type=Path, help="other images to verify on (default: --data, split val)")
    parser.add_argument("-n", type=int, default=100, metavar="N", help="calibration images (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the calibration images")
    parser.add_argument("--max-drop", type=float, metavar="P", help="points INT8 may lose (default: see export)")
    parser.add_argument("--ignore-index", type=int, metavar="N", help="mask value that means void")
    parser.add_argument("--out", type=Path, help="where the artifact goes (default: beside the fp32 one)")
    parser.add_argument("--name", help="what it is called (default: as the fp32 one)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    from edgeseg.artifact import Artifact
    from edgeseg.calibration.calibration_set import calibration_set
    from edgeseg.calibration.progress import bar_on_tty
    from edgeseg.export.build import Place, int8_artifact
    from edgeseg.export.gates import drop_limit
    from edgeseg.export.samples import samples_from

    for path in (args.data, args.eval_data):
        if path is not None and not path.exists():
            raise UserError(f"There is no {path}; --data and --eval-data take folders of images.")
    check_name(args.name)
    parent = Artifact.open(args.artifact)
    out = args.out or default_out(parent.path)
    check_writable(out)
    images = calibration_set(args.data, parent.spec, args.n, args.seed)
    warn(images.warnings)
    samples = samples_from(args.eval_data or args.data, parent.spec, None, args.ignore_index, images.images)
    place = Place(out, args.name or parent.name, bar_on_tty)
    report([int8_artifact(parent, images, place, samples, drop_limit(args.max_drop, samples))], args.json)
    return 0
