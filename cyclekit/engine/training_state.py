"""What training goes on from besides weights: its parts, and whether they fit the optimizers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from torch import Tensor, nn

Count = Annotated[int, Field(ge=0, lt=2**53)]
MOMENTS = {"exp_avg", "exp_avg_sq"}


def _scalar(tensor: Tensor) -> Tensor:
    if tensor.dim() or not tensor.is_floating_point():
        raise ValueError("a sum of losses is one number")
    return tensor


class StateModel(BaseModel):
    """Holds tensors as they are, and takes nothing for what it is not."""

    model_config = ConfigDict(arbitrary_types_allowed=True, strict=True, extra="forbid")


class MeterState(StateModel):
    """Losses since the last log line."""

    sums: dict[str, Annotated[Tensor, AfterValidator(_scalar)]]
    counts: dict[str, Annotated[Count, Field(ge=1)]]

    @model_validator(mode="after")
    def _of_the_same_terms(self) -> "MeterState":
        if self.sums.keys() != self.counts.keys():
            raise ValueError("sums and counts are not of the same losses")
        return self


class RankState(StateModel):
    """What is each rank's own."""

    objective: dict[str, Any]
    meter: MeterState


class OptimizerState(StateModel):
    """Adam's moments by the number of their parameter, and its settings."""

    state: dict[int, dict[str, Tensor]]
    param_groups: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1)]


class BestState(StateModel):
    """The best checkpoint so far: by which figure, its value, and the step."""

    metric: str
    value: Annotated[float, Field(allow_inf_nan=False)]
    step: Count


class TrainingState(StateModel):
    """Everything besides the networks' weights that the next step depends on."""

    step: Count
    skipped: tuple[Count, Count]
    optimizers: dict[str, OptimizerState]
    precision: dict[str, Any]
    ranks: Annotated[list[RankState], Field(min_length=1)]
    best: Annotated[BestState | None, BeforeValidator(lambda told: told or None)] = None


def require_moments(name: str, state: OptimizerState, parameters: Sequence[nn.Parameter]) -> None:
    """Compare an optimizer's moments with the parameters that they are about.

    A fused step takes them to be as large as these, and goes beyond their end where they are not.

    Args:
        name: The optimizer's, for messages.
        state: What it would go on with.
        parameters: In its order.

    Raises:
        ValueError: If one is missing, is not finite, or is of another shape or type.
    """
    numbers = state.param_groups[0].get("params")
    if numbers != list(range(len(parameters))):
        raise ValueError(f"optimizer {name!r} is not about {len(parameters)} parameters")
    if not set(state.state) <= set(numbers):
        raise ValueError(f"optimizer {name!r} has moments of parameters that are not there")
    for number, held in state.state.items():
        _require_fit(f"of parameter {number} in optimizer {name!r}", held, parameters[number])


def _require_fit(whose: str, held: Mapping[str, Tensor], parameter: nn.Parameter) -> None:
    if set(held) != MOMENTS | {"step"}:
        raise ValueError(f"the moments {whose} are {', '.join(sorted(held))[:100]}")
    for name in MOMENTS:
        moment = held[name]
        if moment.shape != parameter.shape or not moment.is_floating_point():
            raise ValueError(
                f"{name} {whose} is {moment.dtype} {tuple(moment.shape)}; the parameter has "
                f"{tuple(parameter.shape)}"
            )
    step = held["step"]
    if step.numel() != 1 or step.dtype != torch.float32:
        raise ValueError(f"step {whose} is {step.dtype} {tuple(step.shape)}")
    for name, tensor in held.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} {whose} is not finite")
