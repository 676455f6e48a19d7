"""A form whose channels were scaled before it was quantised, read in the units of the network it was made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from edgeseg.calibration.equalisation.free_channels import Ints
from edgeseg.export.trace.form import Ending, Form, Layer, Range, Replay, Taps, Tensors
from edgeseg.image import Float32, UInt8


class InOwnUnits:
    """See :class:`~edgeseg.export.trace.form.Form`; factors are powers of two, so taking them off changes no digit.

    Args:
        form: as the file computes.
        exponents: (channels,) by tensor: a value in the file is ``2 ** exponent`` times that of the network.
    """

    def __init__(self, form: Form, exponents: Mapping[str, Ints]) -> None:
        self._form, self._exponents = form, exponents
        self.name, self.quantised = form.name, form.quantised

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those of the form."""
        return self._form.layers

    @property
    def readable(self) -> frozenset[str]:
        """Those of the form."""
        return self._form.readable

    def taps(self, names: Collection[str]) -> Taps:
        """Read tensors from inside, without their factors."""
        return self._without_factors(self._form.taps(names))

    def exact(self, names: Collection[str]) -> Taps:
        """Read tensors as the graph says, without their factors."""
        return self._without_factors(self._form.exact(names))

    def replay(self, names: Collection[str]) -> Replay:
        """Run every layer on inputs in the network's units."""
        replay = self._form.replay(names)
        return lambda pixels, given: self._scale(replay(pixels, self._scale(given, 1)), -1)

    def whole(self) -> Callable[[UInt8], Ending]:
        """Run the model as it is deployed; logits carry no factor."""
        return self._form.whole()

    def ranges(self, name: str) -> tuple[Range, ...]:
        """List the quantisers of a tensor, one range a channel where it carries factors."""
        found = self._form.ranges(name)
        if name not in self._exponents:
            return found
        off = -self._exponents[name].reshape(1, -1, 1, 1)
        return tuple(Range(np.ldexp(one.low, off), np.ldexp(one.high, off)) for one in found)

    def _without_factors(self, taps: Taps) -> Taps:
        return lambda pixels: self._scale(taps(pixels), -1)

    def _scale(self, tensors: Tensors, sign: int) -> Tensors:
        return {name: self._scaled(name, values, sign) for name, values in tensors.items()}

    def _scaled(self, name: str, values: Float32, sign: int) -> Float32:
        exponents = self._exponents.get(name)
        return values if exponents is None else np.ldexp(values, sign * exponents.reshape(1, -1, 1, 1))
