from __future__ import annotations

import pytest

from edgeseg.console.quantities import duration_s, size_bytes
from edgeseg.errors import UserError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("45 sec", 45), ("10min", 600), ("1.5h", 5400), (" 2 d ", 172800), ("0.5s", 0.5)],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "min", "-5s", "0s", "0.0h", "10m", "1h30min", "ten min", "1e3s", "infs", "1,5h"]
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"as in 30s, 10min, 1.5h or 1d; found"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("500MB", 500_000_000), ("20GB", 20_000_000_000), ("20 GiB", 20 << 30), ("1.5kb", 1500), ("2TB", 2 * 10**12)],
)
def test_a_size_is_a_number_with_its_unit(text: str, count: int) -> None:
    assert size_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "20", "20G", "GB", "-1GB", "0GB", "0.0 MB", "0.0001KB", "20 bytes", "1e9KB", "nanGB"]
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"as in 500MB, 20GB or 20GiB; found"):
        size_bytes(text)
