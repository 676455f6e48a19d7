"""Make a data folder with a val split out of one that has only train, by links; nothing is copied.

    python scripts/hold_out.py DATA OUT --every 5    every fifth image, in the order of the names
    python scripts/hold_out.py DATA OUT --last 6     the last six: for names that begin with a patient

The same command gives the same split everywhere. Pictures that belong together (two eyes of a patient,
frames of one clip) must land on the same side, or the score says how well the network remembers them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgeseg.dataset import Dataset
from edgeseg.errors import EdgesegError, UserError
from edgeseg.training.data.hold_out import link_splits


def main() -> int:
    args = _arguments()
    try:
        data = Dataset.open(args.data)
        counts = _link(data, args.out, args.every, args.last)
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{counts['train']} train, {counts['val']} val: {args.out}")
    return 0


def _link(data: Dataset, out: Path, every: int | None, last: int | None) -> dict[str, int]:
    if out.exists():
        raise UserError(f"{out} exists; choose another folder or remove it.")
    pairs = data.pairs("train")
    held = set(pairs[every - 1 :: every] if every else pairs[-(last or 0) :])
    made = link_splits(data, out, held)
    return {split: len(made.pairs(split)) for split in made.folders}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with images/train, masks/train, classes.txt")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--every", type=_count, metavar="N", help="hold out every Nth image")
    how.add_argument("--last", type=_count, metavar="N", help="hold out the last N images")
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; found {number}")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
