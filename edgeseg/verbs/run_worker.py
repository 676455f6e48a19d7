"""The worker behind a supervised ``edgeseg run``: ``python -m edgeseg.verbs.run_worker PULSE_FD``.

Its flags come as one JSON line on standard input.
"""

from __future__ import annotations

import json
import signal
import sys

from edgeseg.cli import complain_of_fault, guard_errors
from edgeseg.runtime.events.standard_streams import finish, guard
from edgeseg.runtime.service.heartbeat import Pulse
from edgeseg.verbs.run_config import arguments
from edgeseg.verbs.run_session import segment


def main() -> int:
    guard()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor hears it, and asks
    pulse = Pulse(int(sys.argv[1]))
    sys.excepthook = complain_of_fault
    args = arguments(json.loads(sys.stdin.readline()))
    try:
        return guard_errors("run", lambda: segment(args, pulse), args.log_json)
    finally:
        pulse.close()
        finish()


if __name__ == "__main__":
    sys.exit(main())
