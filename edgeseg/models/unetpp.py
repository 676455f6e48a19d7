"""U-Net++: nested U-Nets of every depth in one, from which a shallower one can be cut."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeseg.errors import UserError
from edgeseg.models.blocks import AnySize, DoubleConv, PoolingEncoder, crop_to, scale_channels
from edgeseg.models.joins import Join
from edgeseg.models.options import Option
from edgeseg.models.unet import WIDTHS
from edgeseg.models.upsampling import enlarger, upsampler

DEPTH = Option("depth", 4, (1, 2, 3, 4))
DEEP_SUPERVISION = Option("deep_supervision", True, (True, False))


class UNetPlusPlus(AnySize):
    """U-Net++ (Zhou et al. 2018, arXiv:1807.10165).

    Node ``i_j`` stands at level ``i`` (0 is the finest) after ``j`` joins: it sees all nodes to its
    left and the doubled one below. With deep supervision there is a head on every node ``0_j``; in
    train mode :meth:`forward` gives the logits of all of them, the deepest first, and in eval mode
    the deepest ones (the paper's fast mode), so that :func:`prune_depth` can leave deeper nodes out.

    Args:
        channels: input channels.
        classes: output channels (logits).
        width: multiplier of the stage widths 16, 32, 64, 96, 128.
        stem_stride: 1, or 2 to work at half resolution and enlarge the logits.
        upsampling: see ``upsampling.py``.
        depth: levels below the finest, 1 to 4.
        deep_supervision: a head on every ``0_j``, not on the deepest alone.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        width: float = 1.0,
        stem_stride: int = 1,
        upsampling: str = "bilinear",
        depth: int = 4,
        deep_supervision: bool = True,
    ) -> None:
        super().__init__()
        widths = scale_channels(WIDTHS, width)[: depth + 1]
        self.encoder = PoolingEncoder(channels, widths, stem_stride)
        self.ups, self.nodes = nn.ModuleDict(), nn.ModuleDict()
        for level, join in self._places(depth):
            up = upsampler(upsampling, widths[level + 1], widths[level])
            self.ups[f"{level}_{join}"] = up
            self.nodes[f"{level}_{join}"] = DoubleConv(widths[level] * join + up.channels, widths[level])
        self.heads = nn.ModuleDict(
            {str(join): nn.Conv2d(widths[0], classes, 1) for join in range(1 if deep_supervision else depth, depth + 1)}
        )
        self.enlarge = enlarger(upsampling, classes, stem_stride)
        self.depth, self.stride = depth, self.encoder.stride

    @staticmethod
    def _places(depth: int) -> list[tuple[int, int]]:
        """(level, join) of every node that is no encoder stage, in an order in which they can be computed."""
        return [(level, join) for join in range(1, depth + 1) for level in range(depth + 1 - join)]

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:  # type: ignore[override]
        """Segment an input: logits (N, K, H, W); in train mode those of every head, the deepest first."""
        if not self.training or len(self.heads) == 1:
            return super().forward(x)
        return tuple(crop_to(logits, x) for logits in self.compute_heads(self.pad(x)))

    def skip_joins(self) -> list[Join]:
        """Return no join: every node meets all others of its level, and none of them can be taken away alone.

        Raises:
            UserError: always, with what to do instead.
        """
        raise UserError(
            "The levels of a U-Net++ are not measured one by one: it is trained to be cut. Export it with each "
            "`depth` and compare their scores."
        )

    def logits(self, x: Tensor) -> Tensor:
        """Compute the logits of the deepest head, (N, K, H, W)."""
        return self._of_head(self._finest(x), self.depth)

    def compute_heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the logits of every head, the deepest first."""
        finest = self._finest(x)
        return tuple(self._of_head(finest, int(join)) for join in reversed(list(self.heads)))

    def _of_head(self, finest: list[Tensor], join: int) -> Tensor:
        return self.enlarge(self.heads[str(join)](finest[join]))  # type: ignore[no-any-return]

    def _finest(self, x: Tensor) -> list[Tensor]:
        """Nodes ``0_0`` to ``0_depth``."""
        rows: list[list[Tensor]] = [[feature] for feature in self.encoder(x)]
        for level, join in self._places(self.depth):
            name = f"{level}_{join}"
            below = self.ups[name](rows[level + 1][join - 1], rows[level][0])
            rows[level].append(self.nodes[name](torch.cat((*rows[level], below), 1)))
        return rows[0]


def prune_depth(state: dict[str, Tensor], depth: int) -> dict[str, Tensor]:
    """Pick the weights that a U-Net++ of ``depth`` shares with the deeper one they were trained in.

    Args:
        state: ``state_dict`` of a :class:`UNetPlusPlus` with deep supervision.
        depth: levels below the finest to keep.

    Raises:
        UserError: that depth has no head of its own, or is not less than the present one.
    """
    heads = sorted({int(name.split(".")[1]) for name in state if name.startswith("heads.")})
    if depth not in heads:
        raise UserError(
            f"There is no trained head at depth {depth}, only at {heads}. "
            "A U-Net++ trained with deep supervision has one at every depth."
        )
    return {name: tensor for name, tensor in state.items() if _reach(name) <= depth}


def _reach(name: str) -> int:
    """The least depth of a network that has this tensor."""
    part, place = name.split(".")[:2]
    if part == "encoder":
        return int(name.split(".")[2])
    return sum(int(number) for number in place.split("_")) if part in ("ups", "nodes", "heads") else 0
