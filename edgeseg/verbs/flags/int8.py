"""What ``export --int8`` and ``calibrate`` have in common: flags, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.artifact import artifact_dir
from edgeseg.console.quantities import number, whole
from edgeseg.console.terminal import complain
from edgeseg.errors import UserError

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.calibration.images.calibration_set import CalibrationSet
    from edgeseg.calibration.quantizers.recipe import Recipe
    from edgeseg.calibration.search.method_choice import MethodChoice
    from edgeseg.proof.budget import Budget
    from edgeseg.proof.publishing import ExportResult, OutputOptions
    from edgeseg.proof.samples import Samples
    from edgeseg.spec import ModelSpec


TIMED_S = 3.0


def add_int8_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--calib",
        type=Path,
        metavar="WHERE",
        help="what calibrates: a folder, a glob, a video, or a set.json of edgeseg calibrate -o (default: --data)",
    )
    group.add_argument(
        "-n", type=whole(1), default=100, metavar="N", help="calibration images (default: 100, or the set's)"
    )
    group.add_argument("--seed", type=whole(0, (1 << 32) - 1), default=0, help="chooses the calibration images")
    group.add_argument("--eval-data", type=Path, help="other images to verify on (default: --data, split val)")
    group.add_argument("--method", default="minmax", help="minmax, entropy, percentile, mse, or auto: the best of them")
    group.add_argument("--keep-float", default="", metavar="LAYER,...", help="layers that are not quantised")
    group.add_argument(
        "--max-drop",
        type=number(0, 100),
        metavar="P",
        help="points INT8 may lose: of mIoU with masks (default: 0.5), %% of pixels without (default: 5)",
    )
    group.add_argument(
        "--max-class-drop", type=number(0, 100), metavar="P", help="points of IoU a class may lose (default: 2)"
    )
    group.add_argument(
        "--max-boundary-drop",
        type=number(0, 100),
        metavar="P",
        help="points of boundary IoU that may be lost (default: 1)",
    )
    group.add_argument(
        "--no-search", action="store_true", help="fail when a limit is missed, instead of keeping layers in float"
    )


def check_int8_arguments(args: argparse.Namespace) -> None:
    """Raise UserError for what can be known to be wrong before the long work starts."""
    for path in (args.data, args.eval_data):
        if path is not None and not path.exists():
            raise UserError(
                f"There is no {path}; --data and --eval-data take folders of images (a glob or a video calibrates with "
                "--calib)."
            )
    budget(args, labelled=True)
    _check_method(args.method)


def check_evidence(args: argparse.Namespace) -> None:
    """Raise UserError when INT8 has nothing to be calibrated or to be verified on."""
    if args.calib is None and args.data is None:
        raise UserError(
            "INT8 needs sample images: --data DIR, a data folder or a plain folder of images; or --calib SET with "
            "--eval-data DIR."
        )
    if (args.eval_data or args.data) is None:
        raise UserError("INT8 is verified as well as made: give --data DIR, or --calib SET with --eval-data DIR.")


def _check_method(method: str) -> None:
    from edgeseg.calibration.quantizers.recipe import AUTO, Recipe

    if method != AUTO:
        Recipe(method)


def budget(args: argparse.Namespace, labelled: bool) -> Budget:
    from edgeseg.proof.budget import Budget

    names = ("max_drop", "max_class_drop", "max_boundary_drop")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return Budget(**given, search=not args.no_search)


def place(args: argparse.Namespace, out: Path, name: str) -> OutputOptions:
    """Where artifacts go; INT8 is timed against fp32 there."""
    from edgeseg.console.progress import bar_on_tty
    from edgeseg.proof.publishing import OutputOptions

    return OutputOptions(out, args.name or name, bar_on_tty, TIMED_S)


def quantize(
    args: argparse.Namespace,
    parent: Artifact,
    images: CalibrationSet,
    found: Samples,
    to: OutputOptions,
    model_format: str,
) -> ExportResult:
    """The proven INT8 artifact that the flags ask for.

    Args:
        parent: the fp32 artifact that is quantised.
        images: what calibrates.
        found: what the result is proven on.
        to: where it goes.
        model_format: whose INT8.
    """
    from edgeseg.calibration.int8_artifact import int8_artifact

    chosen = method_choice(args, parent, images, found, model_format) or recipe(args)
    try:
        return int8_artifact(parent, images, to, found, budget(args, found.labelled), model_format, chosen)
    except KeyboardInterrupt:
        _say_what_stays(artifact_dir(to.out, to.name, "int8", model_format))
        raise


def _say_what_stays(path: Path) -> None:
    """Nothing, when the interrupt came before anything was measured."""
    from edgeseg.calibration.search.journal import journal_path

    kept = journal_path(path)
    if any(kept.glob("model-*.json")):
        complain(f"{kept} holds what was measured; the same command goes on from there.")


def recipe(args: argparse.Namespace, method: str | None = None) -> Recipe:
    """The recipe that the flags name, with another method where one is given.

    Raises:
        UserError: the method is no one's; ``auto`` too, which is no method but a measurement of them.
    """
    from edgeseg.calibration.quantizers.recipe import Recipe

    return Recipe(method or args.method, frozenset(name for name in args.keep_float.split(",") if name))


def method_choice(
    args: argparse.Namespace, parent: Artifact, images: CalibrationSet, found: Samples, model_format: str
) -> MethodChoice | None:
    """With ``--method auto`` the method that loses least; it takes a calibration a method. None without.

    Args:
        parent: the fp32 artifact that is quantised.
        images: what calibrates.
        found: what the result will be proven on; methods are chosen on others where there are any.
        model_format: whose INT8.
    """
    from edgeseg.calibration.quantizers.quantizer import expect_parent, quantizer_for
    from edgeseg.calibration.quantizers.recipe import AUTO, USUAL
    from edgeseg.calibration.search.method_choice import choose_method, choosing_samples, method_trials
    from edgeseg.console.progress import bar_on_tty

    if args.method != AUTO:
        return None
    quantizer = quantizer_for(model_format)
    expect_parent(quantizer, parent)
    samples, note = choosing_samples(images, found)
    limits, base = budget(args, samples.labelled), recipe(args, USUAL.method)
    with method_trials(quantizer, parent, images, samples, bar_on_tty) as try_recipe:
        return choose_method(quantizer, try_recipe, limits, base, note)


def calibration_images(args: argparse.Namespace, spec: ModelSpec) -> CalibrationSet:
    """The calibration set that the flags name; its warnings are printed.

    A ``set.json`` must have been written for the model that is quantised.
    """
    from edgeseg.calibration.images.load_set import load_set
    from edgeseg.calibration.images.set_file import weight_digests
    from edgeseg.console.progress import bar_on_tty

    where = args.calib or args.data
    if where is None:
        raise UserError("There is nothing to calibrate on: give --calib or --data.")
    model = vars(args).get("artifact") or args.model
    weights = weight_digests(model).values() if where.suffix == ".json" else ()
    with bar_on_tty("choose images", 0) as tick:
        images = load_set(where, spec, args.n, args.seed, tick, weights=weights)
    warn(images.warnings)
    return images


def verification_images(args: argparse.Namespace, spec: ModelSpec, images: CalibrationSet) -> Samples:
    """What INT8 is verified on; a warning is printed when that is what it was calibrated on."""
    from edgeseg.proof.samples import samples_from

    found = samples_from(args.eval_data or args.data, spec, None, args.ignore_index, images.images)
    if images.split is not None and images.split == found.split:
        warn((f"INT8 is verified on the split it is calibrated on ({found.split}); give other --eval-data.",))
    if found.left_out:
        warn((f"{found.source}: {found.left_out}",))
    return found


def warn(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        complain(f"warning: {sentence}")
