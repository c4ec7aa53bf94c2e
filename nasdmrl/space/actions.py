"""The chain and multi-branch action spaces (Section 3)."""

from dataclasses import dataclass

from nasdmrl.config.sections import Space
from nasdmrl.space.nsc import KERNELS, MERGES, NAMES, Layer, LayerType


@dataclass(frozen=True)
class Action:
    """One action: appends a layer of `type` and `kernel`, or shifts a pointer by `shift1` and `shift2`."""

    name: str
    type: LayerType | None = None
    kernel: int = 0
    shift1: int = 0
    shift2: int = 0

    @property
    def is_shift(self) -> bool:
        """Whether the action moves a pointer and leaves the network as it is."""
        return self.type is None

    def layer(self, pointer1: int, pointer2: int) -> Layer:
        """The layer that the action appends, on the layers that the pointers name."""
        assert self.type is not None, "a shift appends no layer"
        if self.type == LayerType.TERMINAL:
            return Layer(LayerType.TERMINAL)
        return Layer(self.type, self.kernel, pointer1, pointer2 if self.type in MERGES else 0)


def _layer_actions() -> list[Action]:
    return [Action(f"{NAMES[kind]}{kernel}", kind, kernel) for kind, sizes in KERNELS.items() for kernel in sizes]


CHAIN = (*_layer_actions(), Action("terminal", LayerType.TERMINAL))
MULTI_BRANCH = (
    *CHAIN,
    *(Action(NAMES[kind], kind) for kind in MERGES),
    Action("p1 up", shift1=1),
    Action("p1 down", shift1=-1),
    Action("p2 up", shift2=1),
    Action("p2 down", shift2=-1),
)
SPACES: dict[Space, tuple[Action, ...]] = {"chain": CHAIN, "multi_branch": MULTI_BRANCH}
"""Actions A0, A1, ... of each space in the paper's order: 8 and 14."""

OUT_OF_BOUNDS = "out_of_bounds"
"""Status of a step whose action moved a pointer out of the network (Section 3)."""
