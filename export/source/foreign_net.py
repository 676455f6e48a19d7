"""A foreign ONNX graph as the bare network that the deployed graph wraps.

Bare means: one float32 input ``[1, C, H, W]`` of fixed size, one output ``[1, K, H, W]`` of logits,
opset 17 or newer, constants and BatchNorm folded. How its output is read is proven on pictures: the masks of the bare
network are those that the file itself gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import shape_inference

from edgeseg.console.quiet import quiet
from edgeseg.errors import SpecError
from edgeseg.export.graphs.deployed_graph import NORMALISED
from edgeseg.export.graphs.ort_session import make_forward
from edgeseg.export.graphs.simplify import simplify, without_dead_nodes
from edgeseg.export.graphs.upsampling import UPSAMPLINGS, append_resize
from edgeseg.export.reading.attach import Attached, attach_logits, attach_planes, keep_from_quantisers
from edgeseg.export.reading.drawn import read_drawing, refuse_drawing, refuse_stretched
from edgeseg.export.reading.entry import Entry, expect_one_output, read_entry
from edgeseg.export.reading.graph_view import Array, GraphView
from edgeseg.export.reading.head import read_head, refuse_twice_prepared
from edgeseg.export.reading.meaning import LABELS, LOGITS, PROBABILITIES, SCORES, Meaning, class_axis, sums_to_one
from edgeseg.export.reading.own_graph import float_graph, own_graph, plain_graph
from edgeseg.export.reading.scores import SCALES, find_activation, read_labels, read_scores, refuse_threshold
from edgeseg.export.reading.tail import ARGMAX, NOTHING, THRESHOLD, Tail, read_tail
from edgeseg.export.reading.training_traces import refuse_training_traces, refuse_two_results
from edgeseg.export.reading.value_range import value_range
from edgeseg.export.source.first_nonfinite import nonfinite_source
from edgeseg.export.source.onnx_file import expect_float
from edgeseg.export.source.original import Original, Own, Reading, Results, own_threshold
from edgeseg.export.source.reference_engine import prediction_from_logits, sigmoid, softmax
from edgeseg.graphs.cut_labels import expose_logits
from edgeseg.image import Float32, fit, normalise
from edgeseg.proof.samples import synthetic_samples
from edgeseg.spec import ModelSpec

TOLERANCE, HALF_TOLERANCE = 1e-3, 1e-2
"""Of values, as a share of the largest, and of labels, as a share of the pixels; the second where the file computes in
float16."""


@dataclass(frozen=True)
class BareNet:
    """A network ready to be deployed.

    Attributes:
        proto: to logits.
        reading: of the network as it was given.
        spec: what was asked for, with the network's own threshold where it has one.
        notes: a sentence for each thing that a person should know.
    """

    proto: onnx.ModelProto
    reading: Reading
    spec: ModelSpec
    notes: tuple[str, ...] = ()


class ForeignNet:
    """A foreign graph of fixed size, before anybody said what it means.

    Args:
        model: one image in, one output. Not changed.
        size: channels, height and width that dynamic axes are fixed at.
        classes: how many there are, to tell which axis of the output they are on.
        own: runs the network where it is no file.

    Raises:
        ArtifactError: an operation that no engine knows, or a graph that is quantised already.
        SpecError: an input that is no picture, several outputs, or a network that was exported while it was training.
    """

    def __init__(
        self, model: onnx.ModelProto, size: tuple[int, int, int], classes: int, own: Own | None = None
    ) -> None:
        expect_float(model)
        expect_one_output(model.graph)
        plain = plain_graph(model)
        self.entry: Entry = read_entry(plain.graph).fixed(*size)
        with quiet():
            self.notes = tuple(refuse_training_traces(shape_inference.infer_shapes(plain)))
        self._plain, self._own, self._size = own_graph(plain, self.entry), own, size[1:]
        self._net = float_graph(plain, self.entry)
        self._view = GraphView(self._net)
        self.output = model.graph.output[0].name
        self._classes = classes
        self._drawing = read_drawing(self._view, self.output)
        if self._drawing is not None and not (classes <= 2 and self._drawing.is_black_and_white):
            refuse_drawing(self._drawing, self.output)
        refuse_stretched(self._view, self.output)
        self._use(read_tail(self._view, self.output))

    def _use(self, tail: Tail) -> None:
        known = {name for node in self._plain.graph.node for name in node.output}
        is_batch = tail.kind == ARGMAX and tail.axis in (0, -4)
        self._tail = tail if tail.scores in known and not is_batch else Tail(self.output)
        self._original = Original(self._plain, self.entry, self._tail, self._own)
        noise = np.random.default_rng(0).random((1, self.entry.channels or 1, *self._size), np.float32)
        scores = self._original(noise * (255 if self.entry.takes_pixels else 1)).scores
        self._is_label = self._tail.kind == NOTHING and self._holds_labels(scores)
        self._axis = self._find_axis(scores)
        self._shape, self._seen = scores.shape, scores

    @property
    def channels(self) -> int | None:
        """Channels of the scores; None where the output holds labels."""
        if self._is_label:
            return None if self._drawing is None else 1  # black and white: one probability, 0 or 255
        return 1 if self._axis is None else self._shape[self._axis]

    @property
    def is_independent(self) -> bool:
        """Whether several classes have a sigmoid each: probabilities that do not add up to one."""
        if self._axis is None or self._tail.kind == ARGMAX:
            return False
        low, high = value_range(self._view, self._tail.scores)
        softmax_ends = find_activation(self._view, self._tail.scores) == "Softmax"
        planes = Meaning(LOGITS, self._axis).planes(self._seen)
        return low >= 0 and high <= 1 and not softmax_ends and not sums_to_one(planes)

    def bare(self, spec: ModelSpec, upsample: str | None = None) -> BareNet:
        """Make the bare network.

        Args:
            spec: what the network means.
            upsample: of :data:`~edgeseg.export.graphs.upsampling.UPSAMPLINGS`, for scores smaller than the input.

        Raises:
            SpecError: the output is not of the spec or not finite, or no reading of it gives the network's own masks.
        """
        refuse_twice_prepared(read_head(self._net, self._net.graph.input[0].name), spec)
        probes = probe_inputs(spec)
        results = [self._original(probe) for probe in probes]
        self._check_finite(results, probes)
        refuse_two_results(np.array_equal(self._original(probes[0]).output, results[0].output))
        reading = self._read(results, spec, upsample)
        whole = reading.meaning.planes(results[0].scores).shape[2:] == self._size
        activation = find_activation(self._view, self._tail.scores) if whole else None
        for strips in (True, False) if activation is not None else (False,):
            net = self._build(reading, strips)
            worst = self._difference(net, activation if strips else None, reading, probes)
            if worst <= self._tolerance:
                return BareNet(
                    _lean(net, probes), reading, reading.spec, (*self.notes, *self._describe(reading, results))
                )
        if self._tail.kind != NOTHING:
            self._use(Tail(self.output))
            return self.bare(spec, upsample)
        if self._own is not None:
            raise SpecError(
                f"Brought to ONNX, this network gives other results than itself, by {worst:.3g} of their range. Where "
                "torch runs it, its forward() probably decides by the values of its input, and an export keeps one "
                "branch only: use torch.where, or take the decision out."
            )
        raise SpecError(
            f"Bringing this file to one form and reading its output {self.output!r} changed its results by "
            f"{worst:.3g} of their range. Export it again, at opset 17 and with logits as output."
        )

    @property
    def _tolerance(self) -> float:
        halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
        is_half = any(tensor.data_type in halves for tensor in self._plain.graph.initializer)
        return HALF_TOLERANCE if is_half or self.entry.dtype == np.float16 else TOLERANCE

    def _holds_labels(self, output: Array) -> bool:
        """Whole numbers that are no grey values of a probability."""
        maker = self._view.maker(self._view.before_layout(self.output, "Cast"))
        if self._drawing is not None or (maker is not None and maker.op_type in ("ArgMax", "TopK")):
            return True
        return output.dtype.kind in "iub" and value_range(self._view, self.output) not in SCALES

    def _find_axis(self, scores: Array) -> int | None:
        if self._tail.kind == ARGMAX and self._tail.axis is not None:
            return self._tail.axis % scores.ndim
        if self._is_label and len([side for side in scores.shape if side != 1]) <= 2:
            return None
        is_flat = scores.ndim == 3 and scores.shape[-1] == self._size[0] * self._size[1]
        if self._is_label or is_flat or scores.ndim not in (2, 3, 4) or (scores.ndim == 4 and scores.shape[0] != 1):
            raise SpecError(
                f"The output {self.output!r} has the shape {list(scores.shape)}; one score a class for every pixel is "
                "[1, K, H, W] or [1, H, W, K], and labels or one class [1, H, W]. Export the model with such an output."
            )
        return None if scores.ndim == 2 else class_axis(scores.shape, self._classes, self._size, self.entry.last)

    def _read(self, results: Sequence[Results], spec: ModelSpec, upsample: str | None) -> Reading:
        """What the scores mean, of the right size, and the author's own threshold."""
        meaning = self._meaning(results, spec)
        refuse_threshold(meaning, spec, self.output)
        if self._tail.kind == THRESHOLD and not spec.has_threshold:
            own = own_threshold(self._tail, meaning)
            spec = spec.replace(threshold=own) if 0 < own < 1 and abs(own - 0.5) > 1e-6 else spec
        planes = meaning.planes(results[0].scores)
        self._check_output(planes, meaning, spec, upsample)
        return Reading(self._original, self._tail, meaning, spec, upsample)

    def _meaning(self, results: Sequence[Results], spec: ModelSpec) -> Meaning:
        if self._is_label:
            return read_labels([one.output for one in results], spec, self.output)
        plain = Meaning(LOGITS, self._axis)
        planes = [plain.planes(one.scores) for one in results]
        return read_scores(self._view, self._tail, self._axis, planes, spec, self.output)

    def _check_finite(self, results: Sequence[Results], probes: Sequence[Float32]) -> None:
        for result, probe in zip(results, probes, strict=True):
            if not np.isfinite(np.asarray(result.scores, np.float32)).all():
                source = nonfinite_source(self._plain, self.entry.given(probe)) or "its last layer"
                raise SpecError(
                    f"The network gives NaN or infinity for an ordinary picture, first in {source}. Check `mean`, "
                    "`std` and `value_range`; if they are right, the weights are damaged or were trained in half "
                    "precision."
                )

    def _check_output(self, planes: Float32, meaning: Meaning, spec: ModelSpec, upsample: str | None) -> None:
        height, width = planes.shape[2:]
        channels = 1 if meaning.kind == LABELS else spec.logit_channels
        if planes.shape[1] != channels:
            raise SpecError(
                f"The output {self.output!r} has {planes.shape[1]} channel(s) of {height}x{width}; a {spec.task} task "
                f"with {spec.num_classes} classes needs [1, {channels}, {spec.height}, {spec.width}]."
            )
        if (height, width) == (spec.height, spec.width):
            return
        if height > spec.height or width > spec.width:
            raise SpecError(
                f"The output, {height}x{width}, is larger than the input {(spec.height, spec.width)}. Export the "
                "network without its last enlargement."
            )
        if meaning.kind == LABELS or self._tail.kind != NOTHING:
            raise SpecError(
                f"The output {self.output!r} holds labels of {height}x{width} where the input is "
                f"{spec.height}x{spec.width}, and labels cannot be enlarged without steps. Export the network without "
                f"its ArgMax or threshold, and give `upsample={next(iter(UPSAMPLINGS))!r}`."
            )
        if upsample is None:
            raise SpecError(
                f"The output is {height}x{width} where the input is {spec.height}x{spec.width}. "
                f"Give `upsample={'` or `'.join(map(repr, UPSAMPLINGS))}`, whichever its training used (half-pixel "
                "centres are the default of PyTorch and of most code), or export the model with its final upsampling."
            )

    def _build(self, reading: Reading, strips: bool) -> onnx.ModelProto:
        """The graph to logits; with ``strips`` without its last activation."""
        net = onnx.ModelProto()
        net.CopyFrom(self._net)
        meaning, spec = reading.meaning, reading.spec
        if strips:
            node = GraphView(net).maker(self._view.before_layout(self._tail.scores))
            assert node is not None
            node.op_type = "Identity"
            del node.attribute[:]
        elif meaning.kind == PROBABILITIES:
            keep_from_quantisers(net, self._tail.scores)
        end = Attached(net, self._tail.scores)
        if self._is_plain(meaning):
            end.close()
        else:
            attach_planes(end, meaning, self._shape)
            end.close()
        planes = meaning.planes(np.zeros(self._shape, np.float32))
        if reading.upsample is not None and planes.shape[2:] != (spec.height, spec.width):
            append_resize(net, (planes.shape[1], spec.height, spec.width), reading.upsample)
            end.tensor = net.graph.output[0].name
        if not strips:
            attach_logits(end, meaning, planes.shape[1], spec.num_classes)
            end.close()
        return without_dead_nodes(net)

    def _is_plain(self, meaning: Meaning) -> bool:
        """Scores that are float32 ``[1, K, h, w]`` already."""
        axis = 1 if meaning.axis is None else meaning.axis % 4
        return (
            len(self._shape) == 4
            and axis == 1
            and self._view.is_float(self._tail.scores)
            and (meaning.axis is not None or self._shape[1] == 1)
        )

    def _difference(
        self, net: onnx.ModelProto, stripped: str | None, reading: Reading, probes: Sequence[Float32]
    ) -> float:
        """Largest difference of any value or, of labels, share of the pixels."""
        run = make_forward(net)
        return max(_compare(run(probe), stripped, reading, probe) for probe in probes)

    def _describe(self, reading: Reading, results: Sequence[Results]) -> list[str]:
        notes = []
        if reading.meaning.kind == LABELS:
            notes.append(f"The output {self.output!r} holds labels and nothing says how sure they are: no confidence.")
        if reading.meaning.kind == SCORES:
            notes.append(
                f"The scores of the output {self.output!r} do not add up to one at a pixel, so that the largest is no "
                f"probability among classes: no confidence. {_describe_sigmoids(reading.meaning, results)}"
            )
        if self._tail.kind == THRESHOLD:
            threshold = reading.spec.threshold or 0.5
            own = own_threshold(self._tail, reading.meaning)
            notes.append(
                f"The network compares with a probability of {own:.4g} inside; masks are made with {threshold:.4g}."
            )
        return notes


def _describe_sigmoids(meaning: Meaning, results: Sequence[Results]) -> str:
    """How often classes with a sigmoid each do not exclude each other."""
    over = [(meaning.planes(one.scores) >= 0.5).sum(1) for one in results]
    none, some = (100 * float(np.mean([test(one, 1).mean() for one in over])) for test in (np.less, np.greater))
    return (
        f"On test pictures {none:.1f} % of the pixels reach 0.5 in no class and {some:.1f} % in several, and each gets "
        "the largest. If classes do not exclude each other, say `task='multilabel'`."
    )


def _compare(logits: Float32, stripped: str | None, reading: Reading, probe: Float32) -> float:
    wanted = reading.logits(probe)
    if logits.shape != wanted.shape or not np.isfinite(logits).all():
        return float("inf")
    apply = _activation(stripped, reading)
    found, expected = apply(logits), apply(wanted)
    values = float(np.abs(found - expected).max()) / max(1.0, float(np.abs(expected).max()))
    labels = prediction_from_logits(logits, reading.spec).labels != reading.predict(probe).labels
    return max(values, float(labels.mean()))


def _activation(stripped: str | None, reading: Reading) -> Callable[[Float32], Float32]:
    """What values are compared as: probabilities where there are any, since logarithms exaggerate."""
    kind = reading.meaning.kind
    if stripped == "Sigmoid" or (kind == PROBABILITIES and reading.meaning.has_complement(reading.spec.logit_channels)):
        return sigmoid
    return softmax if kind in (PROBABILITIES, LABELS) else lambda values: values


def strip_deployment(model: onnx.ModelProto) -> onnx.ModelProto:
    """Cut the bare network out of a deployed graph of ours.

    Raises:
        ArtifactError: the graph is quantised.
    """
    expect_float(model)
    with quiet():
        typed = shape_inference.infer_shapes(expose_logits(model))
        return onnx.utils.Extractor(typed).extract_model([NORMALISED], ["logits"])


def probe_inputs(spec: ModelSpec) -> list[Float32]:
    """Draw normalised inputs to compare graphs with: seeded pictures, as the network would really get them."""
    pictures = [sample.read()[0] for sample in synthetic_samples(spec)][:3]
    return [normalise(fit(picture, spec), spec)[np.newaxis] for picture in pictures]


def _lean(net: onnx.ModelProto, probes: list[Float32]) -> onnx.ModelProto:
    """The graph simplified, when that does not change its results."""
    with quiet():
        net = shape_inference.infer_shapes(net)
    plain, lean = make_forward(net), simplify(net)
    run = make_forward(lean)
    unchanged = max(_share(run(probe), plain(probe)) for probe in probes) <= TOLERANCE
    with quiet():
        return shape_inference.infer_shapes(lean) if unchanged else net


def _share(found: Float32, before: Float32) -> float:
    """Largest difference, as a share of the largest value (of 1 where all are smaller); infinite where there is NaN."""
    share = float(np.abs(found - before).max()) / max(1.0, float(np.abs(before).max()))
    return share if np.isfinite(share) else float("inf")
