"""A pytest plugin: an artifact's IoU, latency and masks as tests of whoever has edgeseg installed.

Fixtures ``edgeseg_artifact`` and ``edgeseg_data`` are what the options or the ini file name; ``assert_iou``,
``assert_latency`` and ``assert_masks_match`` hold it (:class:`edgeseg.ci.asserts.Asserting`). Nothing but pytest is
imported until one of them is asked for, as every test run of whoever has edgeseg installed imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgeseg.artifact import Artifact
    from edgeseg.ci.asserts import Asserting
    from edgeseg.ci.recorder import Recorder

OPTIONS = {
    "artifact": ("DIR", "artifact that the tests are about"),
    "data": ("DIR", "data folder, or folder of images, that it is tested on"),
    "baseline": ("BEFORE", "artifact that it replaces, or file of saved latencies"),
    "diffs": ("DIR", "where pictures of differing masks are left (default: edgeseg-diffs)"),
}
SAID = {"data": "--edgeseg-data", "baseline": "--edgeseg-baseline", "is_update=True": "--edgeseg-update"}
"""What messages of :mod:`edgeseg.ci.asserts` name, and the option that gives it."""
DEFAULT_DIFFS, DEFAULT_REPORT, KEY = "edgeseg-diffs", "edgeseg-report.html", "edgeseg_entries"
_RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each of which may stand in the ini file as well."""
    group = parser.getgroup("edgeseg", "edgeseg: gates for segmentation networks")
    for name, (metavar, text) in OPTIONS.items():
        group.addoption(f"--edgeseg-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"edgeseg_{name}", text, default="")
    group.addoption(
        "--edgeseg-update",
        action="store_true",
        help="write kept masks and latencies anew instead of holding them",
    )
    group.addoption(
        "--edgeseg-report",
        nargs="?",
        const=DEFAULT_REPORT,
        metavar="FILE",
        help=f"leave one HTML page of what was asserted (default: {DEFAULT_REPORT})",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record what is asserted."""
    from edgeseg.ci.recorder import Recorder

    config.stash[_RECORDER] = Recorder()


def _find(config: pytest.Config, name: str) -> Path | None:
    given: str | None = config.getoption(f"--edgeseg-{name}")
    if given is not None:
        return config.invocation_params.dir / given
    written = config.getini(f"edgeseg_{name}")
    return config.rootpath / written if written else None


@contextmanager
def _telling() -> Iterator[None]:
    """Errors of edgeseg fail a test in their own sentence; a machine too noisy to tell skips it."""
    from edgeseg.errors import EdgesegError, NoVerdict

    try:
        yield
    except NoVerdict as error:
        pytest.skip(f"cannot tell: {error}")
    except EdgesegError as error:
        said = str(error)
        for name, option in SAID.items():
            said = said.replace(f"`{name}`", option)
        pytest.fail(said, pytrace=False)


@pytest.fixture(scope="session")
def edgeseg_artifact(pytestconfig: pytest.Config) -> Artifact:
    """Open the artifact of ``--edgeseg-artifact``, or of ``edgeseg_artifact`` in the ini file."""
    path = _find(pytestconfig, "artifact")
    if path is None:
        pytest.fail(
            "Which artifact? Give --edgeseg-artifact DIR, or `edgeseg_artifact` in the ini file.", pytrace=False
        )
    with _telling():
        from edgeseg.artifact import Artifact

        return Artifact.open(path)
    raise AssertionError("unreachable")


@pytest.fixture(scope="session")
def edgeseg_data(pytestconfig: pytest.Config) -> Path:
    """Give the folder of ``--edgeseg-data``, or of ``edgeseg_data`` in the ini file."""
    path = _find(pytestconfig, "data")
    if path is None:
        pytest.fail("Which data? Give --edgeseg-data DIR, or edgeseg_data in the ini file.", pytrace=False)
    if not path.exists():
        pytest.fail(f"There is no data at {path}. Give another --edgeseg-data.", pytrace=False)
    return path


@pytest.fixture
def edgeseg_asserting(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, edgeseg_artifact: Artifact
) -> Asserting:
    """Hold the artifact of this run; what the assertions below are methods of."""
    from edgeseg.ci.asserts import Asserting

    return Asserting(
        edgeseg_artifact,
        _find(pytestconfig, "data"),
        _find(pytestconfig, "baseline"),
        _find(pytestconfig, "diffs") or pytestconfig.invocation_params.dir / DEFAULT_DIFFS,
        bool(pytestconfig.getoption("--edgeseg-update")),
        request.node.nodeid,
        pytestconfig.stash[_RECORDER],
    )


@pytest.fixture
def assert_iou(edgeseg_asserting: Asserting) -> Callable[..., None]:
    """Hold the IoU: ``assert_iou(min=0.7, max_drop=0.5)``, see :meth:`edgeseg.ci.asserts.Asserting.assert_iou`."""
    return _guard(edgeseg_asserting.assert_iou)


@pytest.fixture
def assert_latency(edgeseg_asserting: Asserting) -> Callable[..., None]:
    """Hold the latency: ``assert_latency(max_ratio=1.06)``; a machine too noisy to tell skips the test."""
    return _guard(edgeseg_asserting.assert_latency)


@pytest.fixture
def assert_masks_match(edgeseg_asserting: Asserting, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hold masks: ``assert_masks_match("golden", min_agreement=0.999)``; a relative folder lies beside the test."""
    check = _guard(edgeseg_asserting.assert_masks_match)
    return lambda reference_dir, **given: check(request.path.parent / reference_dir, **given)


def _guard(work: Callable[..., None]) -> Callable[..., None]:
    def guarded(*args: Any, **given: Any) -> None:
        with _telling():
            work(*args, **given)

    return guarded


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page; a worker of pytest-xdist hands on what it recorded."""
    entries = session.config.stash[_RECORDER].entries
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[KEY] = [entry.to_dict() for entry in entries]
        return
    path = session.config.getoption("--edgeseg-report")
    if path is not None:
        from edgeseg.ci.page import write_page

        write_page(session.config.invocation_params.dir / path, entries)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist recorded."""
    from edgeseg.ci.recorder import Entry

    found = getattr(node, "workeroutput", {}).get(KEY, ())
    node.config.stash[_RECORDER].entries.extend(Entry.from_dict(values) for values in found)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is tested."""
    named = {name: _find(config, name) for name in ("artifact", "data", "baseline")}
    said = ", ".join(f"{name} {path}" for name, path in named.items() if path is not None)
    return [f"edgeseg: {said}"] if said else []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the page lies."""
    path = config.getoption("--edgeseg-report")
    if path is not None:
        terminalreporter.write_line(f"edgeseg report: {config.invocation_params.dir / path}")
