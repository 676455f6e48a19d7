"""How much memory this process may address, where somebody set a limit: ``ulimit -v``, ``LimitAS=``."""

from __future__ import annotations

import sys

from edgeseg.errors import EnvironmentFault

_RUN_BYTES = 1_400_000_000
"""A worker with the smallest network was measured to address 1.3 GB, before any camera."""
_CAMERA_BYTES = 400_000_000
"""The shared memory through which one camera gives its pictures."""


def limit_bytes() -> int | None:
    """Read the limit on this process; None without one."""
    if sys.platform != "linux":
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def check_address_space(cameras: int = 1) -> None:
    """Check that live cameras can be run under the limit.

    Raises:
        EnvironmentFault: it is too low for any network.
    """
    limit, needed = limit_bytes(), _RUN_BYTES + cameras * _CAMERA_BYTES
    if limit is not None and limit < needed:
        raise EnvironmentFault(
            f"This process may address {limit / 1e9:.1f} GB of memory (ulimit -v, or LimitAS= of systemd); with "
            f"{cameras} live camera{'s' if cameras > 1 else ''} it needs at least {needed / 1e9:.1f} GB. Raise the "
            f"limit; to bound what is really used, take MemoryMax= of systemd."
        )
