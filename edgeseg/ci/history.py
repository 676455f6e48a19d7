"""Checks kept over time, in SQLite or CSV, one row a check.

A file that ends in ``.csv`` is CSV with a line of names; any other is an SQLite database with one table, ``checks``.
Both have the columns of :class:`Row`, and nothing else has to be known to read them::

    sqlite3 runs.sqlite "SELECT time, commit_id, miou, p50_ms FROM checks WHERE artifact = 'cells-int8-openvino'"
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import math
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from edgeseg.api.check import Checked
from edgeseg.ci.outcome import Outcome
from edgeseg.errors import OutputError, UserError
from edgeseg.files.atomic import output_error
from edgeseg.files.input_file import check_regular
from edgeseg.runtime.engines.precision import model_digest
from edgeseg.runtime.measure.fingerprint import this_device

FORMAT = 1
WAIT_S = 20.0
"""How long another check may be writing."""
_KINDS = {"str": "TEXT NOT NULL", "int": "INTEGER NOT NULL", "float | None": "REAL"}


@dataclass(frozen=True)
class Row:
    """One check.

    Attributes:
        time: when it ended, ISO 8601 in UTC.
        commit_id: of the repository it ran in; empty where there was none.
        artifact: the folder's name.
        model_digest: of the artifact, so that a new export is seen.
        device: digest of the device's fingerprint.
        cpu: its processor, for people.
        verdict: ``passed``, ``failed`` or ``cannot tell``.
        miou: on its pictures, 0..1; None without masks.
        p50_ms: median latency.
        ratio: CPU time of a run on one thread in reference workloads, which is the same on a busy machine.
        bytes: of the model files.
    """

    time: str
    commit_id: str
    artifact: str
    model_digest: str
    device: str
    cpu: str
    verdict: str
    miou: float | None
    p50_ms: float | None
    ratio: float | None
    bytes: int


COLUMNS = tuple(field.name for field in fields(Row))


def make_row(checked: Checked, outcomes: list[Outcome], commit: str | None = None) -> Row:
    """Make the row of a check that ended now.

    Args:
        checked: what it found.
        outcomes: of its gates.
        commit: what it was of; None: what continuous integration or git says of the folder it runs in.
    """
    artifact, device = checked.artifact, this_device(checked.artifact)
    verdicts = {one.verdict for one in outcomes}
    verdict = next((one for one in ("failed", "cannot tell") if one in verdicts), "passed")
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return Row(
        now,
        find_commit() if commit is None else commit,
        artifact.path.name,
        model_digest(artifact),
        device.digest,
        device.cpu,
        verdict,
        checked.miou,
        checked.p50_ms,
        checked.ratio,
        artifact.size_bytes,
    )


def find_commit() -> str:
    """Say which commit this is: by GitHub's or GitLab's variables, else by git; empty where there is none."""
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA"):
        if os.environ.get(name):
            return os.environ[name]
    command = ("git", "rev-parse", "HEAD")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def append_row(path: Path, row: Row) -> None:
    """Append a check; the file is made where it is not there.

    Raises:
        UserError: the file is something else.
        OutputError: it cannot be written.
    """
    if path.suffix.lower() == ".csv":
        _append_csv(path, row)
        return
    with _database(path, writes=True) as database:
        marks = ", ".join("?" * len(COLUMNS))
        database.execute(f"INSERT INTO checks ({', '.join(COLUMNS)}) VALUES ({marks})", astuple(row))


def read_rows(path: Path) -> list[Row]:
    """Read a history, oldest check first.

    Raises:
        UserError: there is none, or the file is something else.
    """
    check_regular(path, UserError)
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    with _database(path, writes=False) as database:
        found = database.execute(f"SELECT {', '.join(COLUMNS)} FROM checks ORDER BY time, rowid").fetchall()
    return [Row(*values) for values in found]


@contextlib.contextmanager
def _database(path: Path, writes: bool) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=WAIT_S)) as database, database:
            _expect_history(path, database, writes)
            yield database
    except sqlite3.OperationalError as error:
        raise OutputError(f"{path} cannot be {'written' if writes else 'read'}: {error}.") from None
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is no history of checks ({error}). Give another file, or delete it.") from None


def _expect_history(path: Path, database: sqlite3.Connection, writes: bool) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables and version == 0 and writes:
        columns = ", ".join(f"{field.name} {_KINDS[str(field.type)]}" for field in fields(Row))
        database.execute(f"CREATE TABLE checks ({columns})")
        database.execute(f"PRAGMA user_version = {FORMAT}")
    elif "checks" not in tables:
        raise UserError(f"{path} is a database without the table checks. Give another file.")
    elif version != FORMAT:
        raise UserError(f"{path} is a history of format {version}; this edgeseg reads {FORMAT}. Update it.")


def _append_csv(path: Path, row: Row) -> None:
    if path.exists() and path.stat().st_size:
        _read_csv(path)
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if not file.tell():
                writer.writeheader()
            writer.writerow(asdict(row))
    except OSError as error:
        raise output_error(path, error) from None


def _read_csv(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"its columns are {', '.join(reader.fieldnames or ()) or 'none'}")
            return [_row(values) for values in reader]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is no history of checks ({error}). Give another file, or delete it.") from None


def _row(values: Mapping[str, Any]) -> Row:
    def number(name: str) -> Any:
        if values[name] == "":
            return None
        found = float(values[name])
        if not math.isfinite(found):
            raise ValueError(f"{name} is {values[name]}")
        return found

    texts = {name: str(values[name]) for name in COLUMNS[:7]}
    numbers = {name: number(name) for name in ("miou", "p50_ms", "ratio")}
    return Row(**{**texts, **numbers, "bytes": int(values["bytes"])})
