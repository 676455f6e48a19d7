"""Energy is read from the files that Linux has for it; the trees are made here, as no machine of ours has them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from edgeseg.runtime.measure.energy import find_meter

NO_PROGRAM = "no-such-tegrastats"


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")
    return folder


@pytest.fixture
def rapl(tmp_path: Path) -> list[Path]:
    zones = tmp_path / "class" / "powercap"
    most = 262_143_328_850
    counted = {"energy_uj": 1_000_000, "max_energy_range_uj": most}
    packages = [write(zones / f"intel-rapl:{n}", name=f"package-{n}", **counted) for n in range(2)]
    write(zones / "intel-rapl:0:0", name="core", energy_uj=5, max_energy_range_uj=most)
    write(zones / "intel-rapl", enabled=1)
    return packages


def test_rapl_counts_its_packages_and_not_their_parts(rapl: list[Path], tmp_path: Path) -> None:
    meter, sentence = find_meter(tmp_path, NO_PROGRAM)
    assert meter is not None
    assert sentence == "energy is that of 2 processor package(s), by RAPL"
    assert meter.read_joules() == 0
    (rapl[0] / "energy_uj").write_text("3500000\n")
    (rapl[1] / "energy_uj").write_text("1500000\n")
    assert meter.read_joules() == pytest.approx(3.0)
    meter.close()


def test_a_counter_that_begins_anew_is_counted_on(rapl: list[Path], tmp_path: Path) -> None:
    (rapl[0] / "energy_uj").write_text("262143000000\n")
    meter, _ = find_meter(tmp_path, NO_PROGRAM)
    assert meter is not None
    (rapl[0] / "energy_uj").write_text("671150\n")
    assert meter.read_joules() == pytest.approx(1.0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_counter_that_may_not_be_read_is_said(rapl: list[Path], tmp_path: Path) -> None:
    (rapl[0] / "energy_uj").chmod(0)
    meter, sentence = find_meter(tmp_path, NO_PROGRAM)
    assert meter is None
    assert "may not be read by this user" in sentence


def test_sockets_of_amd_are_counted(tmp_path: Path) -> None:
    files = {"energy1_input": 7, "energy1_label": "Ecore000", "energy2_input": 2_000_000, "energy2_label": "Esocket0"}
    device = write(tmp_path / "class" / "hwmon" / "hwmon3", name="amd_energy", **files)
    meter, sentence = find_meter(tmp_path, NO_PROGRAM)
    assert meter is not None
    assert "amd_energy, by hwmon" in sentence
    (device / "energy2_input").write_text("2250000\n")
    (device / "energy1_input").write_text("99999999\n")
    assert meter.read_joules() == pytest.approx(0.25)


@pytest.mark.parametrize(
    "files",
    [
        {"name": "ina3221", "in1_input": 5000, "in1_label": "VDD_IN", "curr1_input": 2000},
        {"name": "ina238", "power1_input": 10_000_000},
    ],
)
def test_the_power_of_a_board_is_summed_up(tmp_path: Path, files: dict[str, object]) -> None:
    write(tmp_path / "class" / "hwmon" / "hwmon0", **files)
    meter, sentence = find_meter(tmp_path, NO_PROGRAM)
    assert meter is not None
    assert "by hwmon" in sentence
    start = time.monotonic()
    before = meter.read_joules()
    time.sleep(0.3)
    joules, seconds = meter.read_joules() - before, time.monotonic() - start
    meter.close()
    assert joules == pytest.approx(10 * seconds, rel=0.2)


@pytest.mark.skipif(os.name != "posix", reason="the program is a shell script here")
@pytest.mark.parametrize("rail", ["VDD_IN 4000mW/4000mW", "POM_5V_IN 4000/3900"])
def test_tegrastats_is_read_where_there_is_nothing_else(tmp_path: Path, rail: str) -> None:
    program = tmp_path / "tegrastats"
    line = f"RAM 1903/7766MB (lfb 2x4MB) {rail} VDD_CPU 1/1"
    program.write_text(f"#!/bin/sh\nwhile :; do echo '{line}'; sleep 0.02; done\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    meter, sentence = find_meter(tmp_path / "nothing", str(program))
    assert meter is not None
    assert sentence == "energy is that of the board, by tegrastats"
    start = time.monotonic()
    time.sleep(0.3)
    joules, seconds = meter.read_joules(), time.monotonic() - start
    meter.close()
    assert joules == pytest.approx(4 * seconds, rel=0.3)


def test_nothing_that_measures_is_a_sentence(tmp_path: Path) -> None:
    meter, sentence = find_meter(tmp_path, NO_PROGRAM)
    assert meter is None
    assert sentence.startswith("energy is not known: neither RAPL (/sys/class/powercap), hwmon")
