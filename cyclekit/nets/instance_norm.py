"""Instance norm, computed as group norm with a group for each channel where that is faster.

On CPUs torch adds up an instance's statistics value by value, a group's in vectors: forward and
backward together take less than half as long (docs/performance/costs.md).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class _AsGroups(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``, unchanged in shape."""
        norm: Any = self
        if _is_faster(input) and not norm.track_running_stats:
            return F.group_norm(input, norm.num_features, norm.weight, norm.bias, norm.eps)
        normed: Tensor = super().forward(input)
        return normed


class InstanceNorm1d(_AsGroups, nn.InstanceNorm1d):
    """``(batch, channels, length)``."""


class InstanceNorm2d(_AsGroups, nn.InstanceNorm2d):
    """``(batch, channels, height, width)``."""


class InstanceNorm3d(_AsGroups, nn.InstanceNorm3d):
    """``(batch, channels, depth, height, width)``."""


INSTANCE_NORM: dict[int, Any] = {1: InstanceNorm1d, 2: InstanceNorm2d, 3: InstanceNorm3d}


def _is_faster(x: Tensor) -> bool:
    """Where values lie channel by channel, on a CPU; of a single value torch's own complains."""
    if torch.compiler.is_exporting():
        return False  # an exported graph has instance norm as an operator of its own
    return x.is_cpu and x.is_contiguous() and x.numel() > x.shape[0] * x.shape[1]
