"""Why a build failed, and what it went without, out of what TensorRT logged: mostly memory, on a Jetson."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeseg.errors import EngineError
from edgeseg.runtime.trt.build_settings import BuildSettings

MAX_REASON = 400
_NO_MEMORY = re.compile(
    r"workspace|out ?of ?memory|insuff?icient memory|memory is insufficient|memory allocation|\boom\b"
    r"|memory[^.]*could not be allocated|not enough free memory",
    re.IGNORECASE,
)
"""As the versions say it; 'insuficient' is TensorRT 8's spelling."""
_SKIPPED = re.compile(r"insuff?icient memory|memory is insufficient|sufficient workspace", re.IGNORECASE)
_NO_TACTIC = re.compile(r"could not find any implementation|no tactics", re.IGNORECASE)
_FREE = "close other programs and the desktop, or add swap (docs/jetson.md)"


def skipped_tactics(said: Sequence[str]) -> list[str]:
    """Pick the messages about tactics that were left out because they need more memory than there is."""
    return [text for text in said if _SKIPPED.search(text)]


def build_failure(errors: Sequence[str], skipped: Sequence[str], settings: BuildSettings, title: str) -> EngineError:
    """Make the error of a build that gave no engine.

    Skipped tactics alone fail no build; where no tactic was left, or nothing else was said, they are why.

    Args:
        errors: what was logged as an error.
        skipped: of :func:`skipped_tactics`.
        title: the TensorRT.
    """
    reason = "; ".join(errors)[:MAX_REASON]
    if _NO_TACTIC.search(reason) or not reason:
        reason = "; ".join(filter(None, [reason, *skipped[:1]])) or "it gave no reason"
    if _NO_MEMORY.search(reason):
        return EngineError(
            f"{title} ran out of memory while it built the engine ({_limit(settings)}): {reason}. {_remedy(settings)}"
        )
    return EngineError(f"{title} could not build the engine: {reason}. Export with `format='openvino'` or `'onnx'`.")


def skipped_note(skipped: Sequence[str], settings: BuildSettings, title: str) -> str:
    """Word the note about a build that succeeded without some tactics."""
    return (
        f"{title} built the engine without tactics that need more memory ({_limit(settings)}), so it may be slower "
        f"than it could be: {skipped[0][:MAX_REASON]}. {_remedy(settings)}"
    )


def _limit(settings: BuildSettings) -> str:
    return "no `workspace_mb`" if settings.workspace_mb is None else f"`workspace_mb={settings.workspace_mb}`"


def _remedy(settings: BuildSettings) -> str:
    """The user's own limit is the likely reason where there is one; where there is none, the device is full."""
    if settings.workspace_mb is not None:
        return f"Export with a larger `workspace_mb`, or without it; if the device itself is full, {_FREE}."
    return f"Free memory: {_FREE}. If that is not enough, export with `workspace_mb=256`."
