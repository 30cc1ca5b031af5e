"""Norms as Augmented CycleGAN's code writes them (arXiv 1802.10151), for exactly its networks."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm


class UnbiasedInstanceNorm(_InstanceNorm):
    """Instance norm by the unbiased variance, over any number of axes.

    Attributes:
        correction: What is taken off the number of values that the variance divides by.
    """

    correction = 1

    def forward(self, input: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``, unchanged in shape; computed in float32."""
        axes = list(range(2, input.dim()))
        wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        variance, mean = torch.var_mean(wide, dim=axes, correction=self.correction, keepdim=True)
        made = (wide - mean) * torch.rsqrt(variance + self.eps)
        if self.affine:
            channels = (1, -1, *(1,) * len(axes))
            made = made * self.weight.view(channels) + self.bias.view(channels)
        return made.to(input.dtype)


class BatchNorm(_BatchNorm):
    """Batch norm over any number of axes, which goes by the statistics that it has gathered where
    a batch has one value for each channel: that is its own mean."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes will do."""

    def forward(self, input: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``, unchanged in shape."""
        if self.training and input.numel() == self.num_features:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        normed: Tensor = super().forward(input)
        return normed
