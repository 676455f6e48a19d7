"""Words a message of the rooms below for the command line.

There a message names a setting as Python does, in backquotes. Here each such name becomes the flag that gives it, and
a call becomes the command that does the same:

===============================================  =========================================
below the verbs                                  on the command line
===============================================  =========================================
``max_drop``                                     ``--max-drop``
``format='onnx'``                                ``--format onnx``
``half=True``, ``pretrained=False``              ``--half``, ``--no-pretrained``
``imgsz=(H, W)``                                 ``--imgsz H W``
``edgeseg.quantize('cells-fp32-onnx', DIR)``     ``edgeseg calibrate cells-fp32-onnx --data DIR``
===============================================  =========================================
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgeseg.console.command import edgeseg_command

_NAMES = """
amp baseline batch boundary_objects boundary_weights change classes color_order conf config crop data deep_supervision
depth device distill_temperature distill_weight dla drop_levels ema encoder_lr engine_file epochs eval_data every file
format fps gpu_resize half hardware_compatible history ignore_index ignore_weights imgsz int8 jsonl jsonl_every
jsonl_masks jsonl_keep keep keep_all keep_float levels log_json logits loss lr mask_values masks_keep
max_boundary_drop max_change max_class_change max_class_drop max_confidence_change max_crossing
max_drop max_fps max_gain max_frames mean method min_confidence model name on on_python out outputs
plot precision prefer pretrained qat reference require_held resize restarts roi rotate save save_baseline save_every
save_frames save_masks scale seconds seed show
slots source spec std stem_stride steps task teacher threads tile times tile_edges tls_ca tls_fingerprint tls_insecure
trace trace_images trace_out trust upsample upsampling val_every value_range version_compatible weights when_changed
width metrics webhook webhook_secret mqtt mqtt_topic mqtt_ca mqtt_discovery view view_classes opacity background
fail_if mm_per_px min_area regions zones
augment hold_out pseudo_confidence unlabelled
"""
_DATASET_NAMES = "accept_colors by colors missing multilabel shard_mb sheet skip_wrong test val"
SAME_NAMES = frozenset(f"{_NAMES} {_DATASET_NAMES}".split())
"""Settings whose flag has the same name, with dashes."""

OTHER_NAMES = {
    "Distillation.temperature": "--distill-temperature",
    "Distillation.weight": "--distill-weight",
    "alerts": "--alert",
    "count": "-n",
    "engine_timeout_s": "--engine-timeout",
    "legend": "--no-legend",
    "level": "--opt-level",
    "mqtt_every_s": "--mqtt-every",
    "may_build": "--no-build",
    "refresh_s": "--refresh",
    "region": "--roi",
    "search": "--no-search",
    "smooth_s": "--smooth",
    "set_file": "-o",
    "status_every_s": "--status-every",
    "supervise": "--no-supervise",
    "threshold": "--conf",
    "time_s": "--time",
    "timeout_s": "--timeout",
    "workspace_mb": "--workspace",
}
"""Settings whose flag is called otherwise, or switches them off."""

WITH_COMMAS = {"classes", "ignore_weights", "keep_float", "outputs", "roi", "view_classes"}
"""Settings that hold several values in one word of the command line."""


@dataclass(frozen=True)
class Command:
    """What the command line has for a function.

    Attributes:
        verb: the verb, and what comes before every argument.
        parameters: flags of the arguments that have no flag of their own name, in the order of the parameters; an empty
            one is a word of its own, None is left out.
        end: what comes after every argument.
    """

    verb: tuple[str, ...]
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    end: tuple[str, ...] = ()


COMMANDS = {
    "edgeseg.check_dataset": Command(("dataset", "check"), {"data": ""}),
    "edgeseg.convert_dataset": Command(("dataset", "convert"), {"data": "", "out": "--out"}),
    "edgeseg.split_dataset": Command(("dataset", "split"), {"data": "", "out": "--out"}),
    "edgeseg.shard_dataset": Command(("dataset", "shard"), {"data": "", "out": "--out"}),
    "edgeseg.evaluate": Command(("evaluate",), {"artifact": "", "data": "--data"}),
    "edgeseg.export_model": Command(("export",), {"net": ""}),
    "edgeseg.quantize": Command(("calibrate",), {"artifact": "", "images": "--data"}),
    "edgeseg.verify": Command(("verify",), {"models": "", "data": "--data"}),
    "edgeseg.train": Command(("train",), {"data": "--data"}),
    "compare_speed": Command(("bench",), {"fp32": "--against", "int8": ""}),
    "cut_to_depth": Command(("models", "--prune"), {"loaded": ""}, ("--out", "FILE")),
    "diagnose": Command(("doctor",)),
    "load_set": Command((), {"path": "--data", "spec": None}),
    "measure_levels": Command(("inspect",), {"model": ""}, ("--levels",)),
    "prepare": Command(("zoo",), {"entry": ""}),
    "save_baseline": Command(("check",), {"path": "--save-baseline", "artifact": ""}),
    "write_set": Command(("calibrate", "MODEL"), {"path": "-o", "images": ""}),
}
"""Functions that a message may suggest."""

_NAMED = re.compile(r"`([^`\n]+)`")


def find_flag(name: str) -> str | None:
    """Return the flag that gives a setting, or None where there is none.

    >>> find_flag("max_drop"), find_flag("threshold"), find_flag("colour")
    ('--max-drop', '--conf', None)
    """
    return OTHER_NAMES.get(name) or (f"--{name.replace('_', '-')}" if name in SAME_NAMES else None)


def name_flags(message: str) -> str:
    """Return a message with flags and commands in the place of the names in backquotes.

    What stands in backquotes and is no setting stays as it is.

    >>> name_flags("`max_drop` is 0.5. Leave out `half=True`, or use `format='onnx'` or `'tensorrt'`.")
    '--max-drop is 0.5. Leave out --half, or use --format onnx or tensorrt.'
    """
    return _NAMED.sub(lambda found: _words(found[1]) or found[0], message)


def _words(code: str) -> str | None:
    """The words for a name, a value, ``name=value`` or a call; None for anything else."""
    named = _parse(code)
    if isinstance(named, ast.Name | ast.Attribute):
        return find_flag(ast.unparse(named))
    if isinstance(named, ast.Constant):
        return " ".join(_values(named))
    if isinstance(named, ast.Call):
        return _command(named) if ast.unparse(named.func) in COMMANDS else None
    settings = _parse(f"_({code})")
    if not isinstance(settings, ast.Call) or settings.args:
        return None
    words = [_setting(keyword, {}) for keyword in settings.keywords]
    return None if None in words else " ".join(word for some in words for word in some or ())


def _parse(code: str) -> ast.expr | None:
    try:
        return ast.parse(code, mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _command(call: ast.Call) -> str:
    command = COMMANDS[ast.unparse(call.func)]
    return " ".join([edgeseg_command(*command.verb), *_arguments(call), *command.end])


def _arguments(call: ast.Call) -> Iterator[str]:
    """The arguments of a call, and of a call in its place, as words of the command line."""
    command = COMMANDS.get(ast.unparse(call.func), Command(()))
    by_place = [ast.keyword(name, value) for name, value in zip(command.parameters, call.args, strict=False)]
    for argument in (*by_place, *call.keywords):
        if isinstance(argument.value, ast.Call):
            yield from _arguments(argument.value)
        elif not _is_left_out(argument.value):
            yield from _setting(argument, command.parameters) or ()


def _setting(setting: ast.keyword, parameters: Mapping[str, str | None]) -> list[str] | None:
    """A flag and its values, or None where a setting has no flag."""
    name, values = str(setting.arg), _values(setting.value)
    flag = parameters[name] if name in parameters else find_flag(name)
    if flag is None:
        return None
    if values == ["True"]:
        return [flag]
    if values == ["False"]:
        return [flag if flag.startswith("--no-") else f"--no-{flag[2:]}"]
    return [*([flag] if flag else []), *([",".join(values)] if name in WITH_COMMAS else values)]


def _values(value: ast.expr) -> list[str]:
    """Every value as one word of a shell; a name such as ``DIR`` stands for what the reader gives."""
    if isinstance(value, ast.Tuple | ast.List):
        return [word for one in value.elts for word in _values(one)]
    if isinstance(value, ast.BinOp):
        return ["|".join(_values(value.left) + _values(value.right))]
    if _is_left_out(value):
        return ["..."]
    return [shlex.quote(str(value.value)) if isinstance(value, ast.Constant) else ast.unparse(value)]


def _is_left_out(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is ...
