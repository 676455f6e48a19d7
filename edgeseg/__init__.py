"""edgeseg: proven INT8 segmentation on edge devices.

Importing this package is cheap on purpose: rooms are imported where they are used.
"""

__version__ = "0.1.0"
