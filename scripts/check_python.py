"""Say what this Python lacks before a virtual environment is made with it.

Runs under any Python from 2.7 on, because the wrong one is what it is there to notice.
"""

import os
import sys


def fault():
    """One sentence about what is wrong, or None."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        return "edgeseg needs Python 3.10 to 3.13; %s is %d.%d. Name another one: make %s PYTHON=python3.11" % (
            sys.executable,
            sys.version_info[0],
            sys.version_info[1],
            os.environ.get("GOAL", "demo"),
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "%s cannot make virtual environments (%s). On Debian or Ubuntu: apt install python3-venv" % (
            sys.executable,
            error,
        )
    return None


def note():
    """What a person without an NVIDIA GPU wants to know before gigabytes are fetched, or None."""
    chosen = any(os.environ.get(name) for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_FIND_LINKS"))
    if sys.platform != "linux" or chosen or os.path.exists("/dev/nvidia0"):
        return None
    return (
        "note: PyPI's torch for Linux may bring CUDA (gigabytes). The small CPU build: "
        "make %s PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" % os.environ.get("GOAL", "demo")
    )


def main():
    wrong = fault()
    if wrong:
        sys.stderr.write(wrong + "\n")
        return 3
    if note():
        sys.stderr.write(note() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
