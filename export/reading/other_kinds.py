"""Networks that do something else than label every pixel of one picture: recognised, and declined in one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx
from onnx import TensorProto

from edgeseg.errors import SpecError
from edgeseg.export.reading.entry import Dims, list_names, static_dimensions
from edgeseg.export.reading.graph_view import GraphView, call_node
from edgeseg.export.reading.value_range import value_range

NMS = ("NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "RoiAlign", "MultiScaleRoiAlign")
RECURRENT = ("LSTM", "GRU", "RNN")
BOXES = ("box", "det_out", "detection", "score", "proposal")
DEPTHS = ("depth", "disparity", "inverse_depth", "disp")
PROMPTS = ("point_coords", "point_labels", "mask_input", "prompt", "input_ids", "input_boxes", "input_points")
PROTOTYPES = 32
_SEMANTIC = (
    "edgeseg runs semantic segmentation, one label a pixel: export such a network, for example a U-Net, DeepLab or "
    "SegFormer of the same classes."
)


def refuse_other_kinds(model: onnx.ModelProto, named: str | None = None) -> None:
    """Decline detection, instance, recurrent, promptable and classifying networks.

    Args:
        model: the file.
        named: the output that was asked for; where it labels pixels, what else the network gives does not matter.

    Raises:
        SpecError: saying what the file is, by which tensor that shows, and what to give in its place.
    """
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in weights]
    _refuse_prompts(inputs)
    _refuse_states(graph, inputs)
    _refuse_queries(graph.output, named)
    _refuse_boxes(graph, named)
    chosen = [entry for entry in graph.output if named in (None, entry.name)]
    if len(chosen) == 1:
        _refuse_classifier(chosen[0])
        _refuse_depth(chosen[0])


def refuse_regression(view: GraphView, tensor: str, output: str) -> None:
    """Decline one channel that is never negative and has no upper bound, as depth is.

    Raises:
        SpecError: naming the layer that says so.
    """
    low, high = value_range(view, tensor)
    if low >= 0 and high == math.inf:
        maker = view.maker(view.before_layout(tensor, "Cast"))
        shown = f"; {maker.op_type} {call_node(maker)} makes it so" if maker is not None else ""
        raise SpecError(
            f"The output {output!r} is one channel that is never negative and has no upper bound{shown}: a depth or "
            "another quantity, no score of a class, so no threshold tells foreground from background. " + _SEMANTIC
        )


def _refuse_prompts(inputs: Sequence[onnx.ValueInfoProto]) -> None:
    found = next((entry.name for entry in inputs if _is_called(entry.name, PROMPTS)), None)
    if found is not None:
        raise SpecError(
            f"This network is prompted (by its input {found!r}), as SAM is, and says nothing of classes. {_SEMANTIC}"
        )


def _refuse_states(graph: onnx.GraphProto, inputs: Sequence[onnx.ValueInfoProto]) -> None:
    """Feature maps that go in beside the image and come out again, as in RobustVideoMatting."""
    images = [entry for entry in inputs if _could_be_image(entry)]
    others = [entry for entry in inputs if entry not in images[:1]]
    states = [entry for entry in others if _is_state(entry, graph.output)]
    if states or (others and any(node.op_type in RECURRENT for node in graph.node)):
        names = list_names(states or others)
        raise SpecError(
            f"This is a recurrent network: it takes what it gave for the frame before ({names}), and edgeseg runs "
            "every frame on its own. Export a network whose only input is the image."
        )


def _could_be_image(entry: onnx.ValueInfoProto) -> bool:
    dims = static_dimensions(entry)
    return len(dims) == 4 and (dims[1] in (1, 3, 4, None) or dims[3] in (1, 3, 4))


def _is_state(entry: onnx.ValueInfoProto, outputs: Sequence[onnx.ValueInfoProto]) -> bool:
    """An output of the same rank and channels, or of the same name but for its ending, beside the masks."""
    dims = static_dimensions(entry)
    if entry.type.tensor_type.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16) or len(dims) < 2:
        return False
    stem = entry.name.lower().rstrip("i").removesuffix("_in").removesuffix("_")
    twins = [o for o in outputs if static_dimensions(o) == dims and None not in dims]
    named = [o for o in outputs if stem and o.name.lower().startswith(stem) and len(static_dimensions(o)) == len(dims)]
    return len(outputs) > 1 and bool(twins or named)


def _refuse_queries(outputs: Sequence[onnx.ValueInfoProto], named: str | None) -> None:
    """Classes and masks of queries, as MaskFormer, Mask2Former and DETR give them."""
    names = [entry.name for entry in outputs]
    if any("quer" in name.lower() for name in names) and (named is None or "quer" in named.lower()):
        raise SpecError(
            f"This network gives a class and a mask for each of its queries ({list_names(outputs)}), as MaskFormer "
            "does, and no score a pixel. Export it with its post-processing inside: one output [1, K, H, W]."
        )


def _refuse_boxes(graph: onnx.GraphProto, named: str | None) -> None:
    outputs = list(graph.output)
    suppressor = next((node for node in graph.node if node.op_type in NMS), None)
    shown = _boxes_shown(outputs)
    maps = [entry for entry in outputs if len(static_dimensions(entry)) == 4]
    chosen = next((entry for entry in outputs if entry.name == named), None)
    if chosen is not None and _labels_pixels(chosen, shown):
        return
    what = _name_boxes(shown, maps, suppressor)
    if what is not None:
        raise SpecError(f"This is {what}: its outputs are {list_names(outputs)}. {_SEMANTIC}")


def _boxes_shown(outputs: Sequence[onnx.ValueInfoProto]) -> list[onnx.ValueInfoProto]:
    """Lists of candidates: [1, 4 + classes, N] or [1, N, 4 + classes] of float, and what is called a box."""
    return [entry for entry in outputs if _is_list(static_dimensions(entry), entry) or _is_called(entry.name, BOXES)]


def _is_list(dims: Dims, entry: onnx.ValueInfoProto) -> bool:
    if len(dims) != 3 or entry.type.tensor_type.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        return False
    sides = sorted(side for side in dims[1:] if side is not None)
    return len(sides) == 2 and 4 < sides[0] < 1024 and sides[1] > 256 and sides[1] > 6 * sides[0]


def _is_called(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)


def _labels_pixels(chosen: onnx.ValueInfoProto, shown: Sequence[onnx.ValueInfoProto]) -> bool:
    """A map of a network with several tasks, as YOLOP's lanes; not the prototypes that masks are mixed from."""
    dims = static_dimensions(chosen)
    return len(dims) == 4 and not (dims[1] == PROTOTYPES and shown) and chosen not in shown


def _name_boxes(
    shown: Sequence[onnx.ValueInfoProto], maps: Sequence[onnx.ValueInfoProto], suppressor: onnx.NodeProto | None
) -> str | None:
    prototypes = [entry for entry in maps if static_dimensions(entry)[1] == PROTOTYPES]
    if shown and prototypes:
        return "an instance segmentation network (boxes, and prototypes to mix masks from), as YOLO-seg is"
    masked = [entry for entry in maps if "mask" in entry.name.lower()]
    if (shown or suppressor is not None) and masked:
        return "an instance segmentation network (a box, a class and a mask an object), as Mask R-CNN is"
    if suppressor is not None:
        return f"a detection network (it selects boxes: {suppressor.op_type} {call_node(suppressor)})"
    return "a detection network (boxes, no masks)" if shown and not maps else None


def _refuse_classifier(output: onnx.ValueInfoProto) -> None:
    dims = static_dimensions(output)
    one_pixel = len(dims) == 4 and dims[2:] == [1, 1]
    if one_pixel or (len(dims) == 2 and dims[0] in (1, None) and dims[1] is not None and dims[1] < 64000):
        raise SpecError(
            f"This is a classifier: its output {list_names([output])} says what the whole picture shows. {_SEMANTIC}"
        )


def _refuse_depth(output: onnx.ValueInfoProto) -> None:
    if _is_called(output.name, DEPTHS):
        raise SpecError(
            f"This network measures depth ({list_names([output])}): a distance a pixel, no class. {_SEMANTIC}"
        )
