"""What the zoo knows of a network, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgeseg.spec import ModelSpec

SYNTHETIC, CELLS, PERSONS = "synthetic pictures", "rendered cells", "drawn persons"


@dataclass(frozen=True)
class Wheel:
    """A file inside a wheel of a package index: fetched by pip, never installed.

    Attributes:
        requirement: the one version, as ``mediapipe==0.10.14``.
        sha256: of the wheel.
        python, abi, platform: pip's names of the one wheel, whatever the machine that fetches it.
        size_mb: of the wheel.
        member: the file's path in the wheel.
        digests: SHA-256 of the file, the wheel's first; others are that of the same network from elsewhere.
    """

    requirement: str
    sha256: str
    python: str
    abi: str
    platform: str
    size_mb: float
    member: str
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Shipped:
    """A file that comes with edgeseg, or with a checkout of it.

    Attributes:
        path: from the folder of the package ``edgeseg``, or of the checkout.
        sha256: of the file.
        in_checkout: it is in no wheel of edgeseg.
    """

    path: str
    sha256: str
    in_checkout: bool = False


@dataclass(frozen=True)
class Figures:
    """What was measured of a network; docs/zoo.md says where and how.

    Attributes:
        miou: on the pictures of ``on``, of the fp32 artifact.
        on: the data, split and count.
        by_size: IoU of single objects, by the size of their object in the picture.
        by_size_on: the data of that, where it is other data.
        core_ms: CPU time of a frame on the machine that the page names, by engine and precision.
    """

    miou: float
    on: str
    by_size: Mapping[str, float] = field(default_factory=dict)
    by_size_on: str = ""
    core_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ZooEntry:
    """A network that is called by its name.

    Attributes:
        name: what stands in the place of an artifact.
        summary: what it finds, in a few words.
        limits: what it does not find, in a sentence.
        classes, height, width, weights: of the network.
        licence: of the weights.
        data: what it learned from, and the terms of that.
        figures: what was measured.
        source: where the weights come from; None where they are not given away.
        spec: what the network takes and gives, where its file does not say.
        proof: the pictures that it is proven on when it is made.
        train: the call that makes one of one's own, where weights are not given away.
    """

    name: str
    summary: str
    limits: str
    classes: tuple[str, ...]
    height: int
    width: int
    weights: int
    licence: str
    data: str
    figures: Figures
    source: Wheel | Shipped | None
    spec: ModelSpec | None = None
    proof: str = SYNTHETIC
    train: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        values["spec"] = self.spec.to_dict() if self.spec else None
        if self.source is not None:
            values["source"]["kind"] = type(self.source).__name__.lower()
        return values
