"""Colours that well-known data sets draw their classes in: what colours of a stranger's masks are guessed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Pascal VOC 2012, in label order."""
VOC_BORDER = 0xE0E0C0
"""What Pascal VOC draws around objects; value 255 of its palette."""


def voc_color(label: int) -> int:
    """Compute the colour of a label in the palette of Pascal VOC, 0xRRGGBB: the label's bits, spread from the top.

    >>> [f"{voc_color(label):06x}" for label in (0, 1, 15)]
    ['000000', '800000', 'c08080']
    """
    red = green = blue = 0
    for bit in range(8):
        red |= (label >> 3 * bit & 1) << 7 - bit
        green |= (label >> 3 * bit + 1 & 1) << 7 - bit
        blue |= (label >> 3 * bit + 2 & 1) << 7 - bit
    return red << 16 | green << 8 | blue


def _table(rows: str) -> dict[int, str]:
    """``name RRGGBB`` a line."""
    words = (line.rsplit(" ", 1) for line in rows.strip().splitlines())
    return {int(color, 16): name for name, color in words}


CITYSCAPES_COLORS = _table("""
road 804080
sidewalk f423e8
building 464646
wall 66669c
fence be9999
pole 999999
traffic light faaa1e
traffic sign dcdc00
vegetation 6b8e23
terrain 98fb98
sky 4682b4
person dc143c
rider ff0000
car 00008e
truck 000046
bus 003c64
train 005064
motorcycle 0000e6
bicycle 770b20
void 000000
""")
CAMVID_COLORS = _table("""
Animal 408040
Archway c00080
Bicyclist 0080c0
Bridge 008040
Building 800000
Car 400080
CartLuggagePram 4000c0
Child c08040
Column_Pole c0c080
Fence 404080
LaneMkgsDriv 8000c0
LaneMkgsNonDriv c00040
Misc_Text 808040
MotorcycleScooter c000c0
OtherMoving 804040
ParkingBlock 40c080
Pedestrian 404000
Road 804080
RoadShoulder 8080c0
Sidewalk 0000c0
SignSymbol c08080
Sky 808080
SUVPickupTruck 4080c0
TrafficCone 000040
TrafficLight 004040
Train c04080
Tree 808000
Truck_Bus c080c0
Tunnel 400040
VegetationMisc c0c000
Wall 40c000
Void 000000
""")
ISPRS_COLORS = _table("""
impervious surfaces ffffff
building 0000ff
low vegetation 00ffff
tree 00ff00
car ffff00
clutter ff0000
""")
DEEPGLOBE_COLORS = _table("""
urban land 00ffff
agriculture land ffff00
rangeland ff00ff
forest land 00ff00
water 0000ff
barren land ffffff
void 000000
""")
UAVID_COLORS = _table("""
background 000000
building 800000
road 804080
tree 008000
low vegetation 808000
moving car 400080
static car c000c0
human 404000
""")
VOC_COLORS = {**{voc_color(label): name for label, name in enumerate(VOC_CLASSES)}, VOC_BORDER: "void"}

TABLES: Mapping[str, Mapping[int, str]] = {
    "Pascal VOC": VOC_COLORS,
    "Cityscapes": CITYSCAPES_COLORS,
    "CamVid": CAMVID_COLORS,
    "UAVid": UAVID_COLORS,
    "ISPRS": ISPRS_COLORS,
    "DeepGlobe": DEEPGLOBE_COLORS,
}


def find_table(colors: Iterable[int]) -> tuple[str, Mapping[int, str]] | None:
    """Find the table that has all of some colours, the smallest of them; None where there is none.

    Two colours that everybody draws with, black and white, tell nothing.
    """
    wanted = set(colors)
    if not wanted - {0x000000, 0xFFFFFF}:
        return None
    fitting = [(len(table), name) for name, table in TABLES.items() if wanted <= set(table)]
    return (min(fitting)[1], TABLES[min(fitting)[1]]) if fitting else None
