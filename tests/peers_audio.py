"""Other people's networks for sound, written anew from what is known about them, small."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import weight_norm

FULL = {
    "sampling_rate": 22050, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "num_mels": 80,
    "fmin": 0, "fmax": 8000,
}  # fmt: skip
V1: dict[str, Any] = {
    "resblock": "1", "upsample_rates": [8, 8, 2, 2], "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 32, "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], **FULL,
}  # fmt: skip
V2 = V1 | {"upsample_initial_channel": 16}
V3 = V1 | {
    "resblock": "2", "upsample_rates": [8, 8, 4], "upsample_kernel_sizes": [16, 16, 8],
    "resblock_kernel_sizes": [3, 5, 7], "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
}  # fmt: skip


class Pairs(nn.Module):
    """HiFi-GAN's first kind of block: two convolutions, the first of them dilated."""

    def __init__(self, width: int, kernel: int, dilations: list[int]) -> None:
        super().__init__()

        def made(dilation: int) -> nn.Module:
            padding = (kernel * dilation - dilation) // 2
            return weight_norm(nn.Conv1d(width, width, kernel, 1, padding, dilation))

        self.convs1 = nn.ModuleList(map(made, dilations))
        self.convs2 = nn.ModuleList(made(1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for first, second in zip(self.convs1, self.convs2, strict=True):
            x = x + second(F.leaky_relu(first(F.leaky_relu(x, 0.1)), 0.1))
        return x


class Singles(nn.Module):
    """Its second kind."""

    def __init__(self, width: int, kernel: int, dilations: list[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(width, width, kernel, 1, (kernel * d - d) // 2, d))
            for d in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.convs:
            x = x + layer(F.leaky_relu(x, 0.1))
        return x


class HiFiGAN(nn.Module):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = config["upsample_initial_channel"]
        self.conv_pre = weight_norm(nn.Conv1d(80, width, 7, padding=3))
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        sizes, spread = config["resblock_kernel_sizes"], config["resblock_dilation_sizes"]
        self.side_by_side = len(sizes)
        kind = Pairs if config["resblock"] == "1" else Singles
        for u, k in zip(config["upsample_rates"], config["upsample_kernel_sizes"], strict=True):
            layer = nn.ConvTranspose1d(width, width // 2, k, u, (k - u) // 2)
            self.ups.append(weight_norm(layer))
            width //= 2
            self.resblocks += [kind(width, k, d) for k, d in zip(sizes, spread, strict=True)]
        self.conv_post = weight_norm(nn.Conv1d(width, 1, 7, padding=3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_pre(x)
        for place, enlarge in enumerate(self.ups):
            x = enlarge(F.leaky_relu(x, 0.1))
            first = place * self.side_by_side
            blocks = [self.resblocks[first + n](x) for n in range(self.side_by_side)]
            x = sum(blocks) / len(blocks)
        return torch.tanh(self.conv_post(F.leaky_relu(x)))


class Shortcut(nn.Module):
    """MelGAN's block."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2), nn.ReflectionPad1d(dilation),
            weight_norm(nn.Conv1d(width, width, 3, dilation=dilation)), nn.LeakyReLU(0.2),
            weight_norm(nn.Conv1d(width, width, 1)),
        )  # fmt: skip
        self.shortcut = weight_norm(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.shortcut(x) + self.block(x)
        return made


class MelGAN(nn.Module):
    def __init__(self, width: int = 2, layers: int = 3) -> None:
        super().__init__()
        rates = [8, 8, 2, 2]
        wide = width * 2 ** len(rates)
        made: list[nn.Module] = [nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(80, wide, 7))]
        for rate in rates:
            up = nn.ConvTranspose1d(wide, wide // 2, 2 * rate, rate, rate // 2)
            wide //= 2
            made += [nn.LeakyReLU(0.2), weight_norm(up)]
            made += [Shortcut(wide, 3**n) for n in range(layers)]
        made += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(width, 1, 7)),
                 nn.Tanh()]  # fmt: skip
        self.model = nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made


class Twice(nn.Module):
    """A convolution and its norm, and the same for the gates, under names of the family's own."""

    def __init__(self, names: tuple[str, str], layers: list[nn.Module]) -> None:
        super().__init__()
        self.names = names
        for name, (conv, norm) in zip(
            names, zip(layers[::2], layers[1::2], strict=True), strict=True
        ):
            setattr(self, name, nn.Sequential(conv, norm))

    def forward(self, x: Tensor) -> Tensor:
        values, gates = (getattr(self, name)(x) for name in self.names)
        made: Tensor = values * torch.sigmoid(gates)
        return made


class Swish(nn.Module):
    """What the published code calls a gated linear unit on the way up."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class VoiceBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()

        def made(seen: int, out: int) -> list[nn.Module]:
            return [nn.Conv1d(seen, out, 3, padding=1), nn.InstanceNorm1d(out, affine=True)]

        self.conv1d_layer = nn.Sequential(*made(width, 2 * width))
        self.conv_layer_gates = nn.Sequential(*made(width, 2 * width))
        self.conv1d_out_layer = nn.Sequential(*made(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        gated = self.conv1d_layer(x) * torch.sigmoid(self.conv_layer_gates(x))
        made: Tensor = x + self.conv1d_out_layer(gated)
        return made


class MaskVoice(nn.Module):
    """MaskCycleGAN-VC's generator."""

    def __init__(self, bands: int = 80, width: int = 8) -> None:
        super().__init__()
        self.width, folded = width, bands // 4 * width

        def down(seen: int) -> Twice:
            layers: list[nn.Module] = []
            for _ in range(2):
                layers += [nn.Conv2d(seen, width, 5, 2, 2), nn.InstanceNorm2d(width, affine=True)]
            return Twice(("convLayer", "convLayer_gates"), layers)

        def up(out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(width, 4 * out, 5, padding=2), nn.PixelShuffle(2),
                                 nn.InstanceNorm2d(out, affine=True), Swish())  # fmt: skip

        self.conv1 = nn.Conv2d(2, width // 2, (5, 15), padding=(2, 7))
        self.conv1_gates = nn.Conv2d(2, width // 2, (5, 15), padding=(2, 7))
        self.downSample1, self.downSample2 = down(width // 2), down(width)
        self.conv2dto1dLayer = nn.Conv1d(folded, width, 1)
        self.conv2dto1dLayer_tfan = nn.InstanceNorm1d(width, affine=True)
        for n in range(1, 7):
            setattr(self, f"residualLayer{n}", VoiceBlock(width))
        self.conv1dto2dLayer = nn.Conv1d(width, folded, 1)
        self.conv1dto2dLayer_tfan = nn.InstanceNorm1d(folded, affine=True)
        self.upSample1, self.upSample2 = up(width), up(width // 2)
        self.convLayer = self.upSample2  # a second name, left over from how it is made
        self.lastConvLayer = nn.Conv2d(width // 2, 1, (5, 15), padding=(2, 7))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``(batch, bands, frames)`` of both."""
        x = torch.stack((x * mask, mask), dim=1)
        x = self.conv1(x) * torch.sigmoid(self.conv1_gates(x))
        x = self.downSample2(self.downSample1(x))
        high = x.shape[2]
        x = self.conv2dto1dLayer_tfan(self.conv2dto1dLayer(x.flatten(1, 2)))
        for n in range(1, 7):
            x = getattr(self, f"residualLayer{n}")(x)
        x = self.conv1dto2dLayer_tfan(self.conv1dto2dLayer(x))
        x = x.unflatten(1, (self.width, high))
        made: Tensor = self.lastConvLayer(self.upSample2(self.upSample1(x))).squeeze(1)
        return made


class MaskJudge(nn.Module):
    """Its discriminator, of whose layers one is never called."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()

        def down(seen: int, out: int, kernel: Any, stride: Any, padding: Any) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(seen, out, kernel, stride, padding),
                                 nn.InstanceNorm2d(out, affine=True), Swish())  # fmt: skip

        self.convLayer1 = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), Swish())
        self.downSample1 = down(width, 2 * width, 3, 2, 1)
        self.downSample2 = down(2 * width, 4 * width, 3, 2, 1)
        self.downSample3 = down(4 * width, 8 * width, 3, 2, 1)
        self.downSample4 = down(8 * width, 8 * width, (1, 10), 1, (0, 2))
        self.outputConvLayer = nn.Sequential(nn.Conv2d(8 * width, 1, (1, 3), padding=(0, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, bands, frames)`` to logits: the sigmoid is left out."""
        x = self.downSample2(self.downSample1(self.convLayer1(x[:, None])))
        made: Tensor = self.outputConvLayer(self.downSample3(x))
        return made
