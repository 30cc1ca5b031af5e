"""Other people's networks, written anew from what is known about them, in tiny widths."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

Norm = Callable[[int], nn.Module]


def instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def tracked(channels: int) -> nn.Module:
    """As torch 0.4 made them, whose statistics were saved and never used."""
    norm = nn.InstanceNorm2d(channels, track_running_stats=True)
    norm.train()
    norm.eval = lambda: norm  # type: ignore[method-assign]
    return norm


def batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def absent(_channels: int) -> nn.Module:
    return nn.Identity()


class Apart(nn.Module):
    """``x + f(x)``, the layers under a name of the family's own."""

    def __init__(self, word: str, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.word = word
        setattr(self, word, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + getattr(self, self.word)(x)
        return made


def block(
    width: int, norm: Norm, bias: bool, dropout: bool = False, pad: str = "reflect"
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for last in (False, True):
        zeros = pad == "zeros"
        layers += [] if zeros else [nn.ReflectionPad2d(1)]
        layers += [nn.Conv2d(width, width, 3, padding=int(zeros), bias=bias), norm(width)]
        layers += [] if last else [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
    return layers


class Blur(nn.Module):
    """CUT's way to halve: filter [1, 2, 1] behind a mirrored border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2, 1])
        kernel = line[:, None] * line
        self.register_buffer("filt", (kernel / kernel.sum()).expand(channels, 1, 3, 3).clone())
        self.filt: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.filt, stride=2, groups=x.shape[1])


class Unblur(nn.Module):
    """CUT's way to double: a transposed filter [1, 3, 3, 1], cut where the border was."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3, 3, 1])
        kernel = line[:, None] * line
        kernel = kernel / kernel.sum() * 4
        self.register_buffer("filt", kernel.expand(channels, 1, 4, 4).clone())
        self.filt: Tensor

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (1, 1, 1, 1), "replicate")
        made = F.conv_transpose2d(padded, self.filt, stride=2, padding=2, groups=x.shape[1])
        return made[:, :, 1:-1, 1:-1]


class ResNet(nn.Module):
    """The residual generator, in any of its forms that are one ``nn.Sequential``."""

    def __init__(
        self,
        blocks: int = 2,
        width: int = 4,
        norm: Norm = instance,
        *,
        prefix: str = "model",
        word: str = "conv_block",
        bias: bool | None = None,
        last_bias: bool = True,
        up_bias: bool | None = None,
        dropout: bool = False,
        pad: str = "reflect",
        down: str = "stride",
        up: str = "deconv",
        halvings: int = 2,
        channels: tuple[int, int] = (3, 3),
    ) -> None:
        super().__init__()
        bias = norm in (instance, tracked) if bias is None else bias
        up_bias = bias if up_bias is None else up_bias
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3), nn.Conv2d(channels[0], width, 7, bias=bias), norm(width),
            nn.ReLU(),
        ]  # fmt: skip
        for _ in range(halvings):
            stride = 2 if down == "stride" else 1
            layers += [nn.Conv2d(width, 2 * width, 3, stride, 1, bias=bias), norm(2 * width),
                       nn.ReLU(), *([] if down == "stride" else [Blur(2 * width)])]  # fmt: skip
            width *= 2
        layers += [Apart(word, block(width, norm, bias, dropout, pad)) for _ in range(blocks)]
        for _ in range(halvings):
            if up == "deconv":
                layers.append(nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=up_bias))
            else:
                layers.append(Unblur(width) if up == "blur" else nn.Upsample(scale_factor=2))
                layers.append(nn.Conv2d(width, width // 2, 3, 1, 1, bias=up_bias))
            layers += [norm(width // 2), nn.ReLU()]
            width //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, channels[1], 7, bias=last_bias),
                   nn.Tanh()]  # fmt: skip
        self.prefix = prefix
        setattr(self, prefix, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = getattr(self, self.prefix)(x)
        return made


class Ganslate(ResNet):
    """Its first layers have a second name."""

    def __init__(self, norm: Norm) -> None:
        batched = norm is batch
        super().__init__(norm=norm, up_bias=True, last_bias=not batched)
        self.encoder = nn.ModuleList(list(self.model)[:12])  # type: ignore[arg-type]


class JoliGEN(nn.Module):
    """Encoder and decoder, by spectral norms if they are asked for."""

    def __init__(self, pad: str = "reflect", spectral: bool = False, norm: Norm = instance) -> None:
        super().__init__()
        wrap: Any = spectral_norm if spectral else (lambda layer: layer)
        bias = norm is instance
        encoder: list[nn.Module] = [nn.ReflectionPad2d(3), wrap(nn.Conv2d(3, 4, 7, bias=bias)),
                                    norm(4), nn.ReLU()]  # fmt: skip
        for width in (4, 8):
            encoder += [wrap(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias)), norm(2 * width),
                        nn.ReLU()]  # fmt: skip
        encoder += [Apart("conv_block", block(16, norm, bias, pad=pad)) for _ in range(2)]
        decoder: list[nn.Module] = []
        for width in (16, 8):
            decoder += [wrap(nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=bias)),
                        norm(width // 2), nn.ReLU()]  # fmt: skip
        zeros = pad == "zeros"
        decoder += [] if zeros else [nn.ReflectionPad2d(3)]
        decoder += [nn.Conv2d(4, 3, 7, padding=3 * zeros), nn.Tanh()]
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.model = nn.Sequential(*encoder)
        self.decoder.model = nn.Sequential(*decoder)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.decoder.model(self.encoder.model(x))  # type: ignore[operator]
        return made


class Layered(nn.Module):
    """A layer, its norm and its activation under the name ``conv``."""

    def __init__(self, layer: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        width = layer.out_channels
        self.conv = nn.Sequential(layer, nn.InstanceNorm2d(width), activation)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(x)
        return made


class Persson(nn.Module):
    """All convolutions mirror their borders, those that halve as well."""

    def __init__(self) -> None:
        super().__init__()

        def mirrored(seen: int, width: int, kernel: int, stride: int = 1) -> nn.Module:
            return nn.Conv2d(seen, width, kernel, stride, kernel // 2, padding_mode="reflect")

        self.initial = nn.Sequential(mirrored(3, 4, 7), nn.InstanceNorm2d(4), nn.ReLU())
        self.down_blocks = nn.ModuleList(
            [Layered(mirrored(4, 8, 3, 2), nn.ReLU()), Layered(mirrored(8, 16, 3, 2), nn.ReLU())]
        )
        self.res_blocks = nn.Sequential(
            *(
                Apart(
                    "block",
                    [
                        Layered(mirrored(16, 16, 3), nn.ReLU()),
                        Layered(mirrored(16, 16, 3), nn.Identity()),
                    ],
                )
                for _ in range(2)
            )
        )
        self.up_blocks = nn.ModuleList(
            [Layered(nn.ConvTranspose2d(w, w // 2, 3, 2, 1, 1), nn.ReLU()) for w in (16, 8)]
        )
        self.last = mirrored(4, 3, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.initial(x)
        for layer in self.down_blocks:
            x = layer(x)
        x = self.res_blocks(x)
        for layer in self.up_blocks:
            x = layer(x)
        return torch.tanh(self.last(x))


class UNetLevel(nn.Module):
    """A level of pix2pix's U-Net, whose first activation works on the skip in place."""

    def __init__(
        self,
        outer: int,
        width: int,
        inner: nn.Module | None,
        norm: Norm,
        ends: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.outermost = ends is not None
        bias = norm is instance
        seen, made = ends or (outer, outer)
        down = nn.Conv2d(seen, width, 4, 2, 1, bias=bias)
        up_from = 2 * width if inner is not None else width
        up = nn.ConvTranspose2d(up_from, made, 4, 2, 1, bias=bias or self.outermost)
        relu = nn.ReLU(True)
        if self.outermost:
            layers = [down, inner, relu, up, nn.Tanh()]
        elif inner is None:
            layers = [nn.LeakyReLU(0.2, True), down, relu, up, norm(outer)]
        else:
            layers = [nn.LeakyReLU(0.2, True), down, norm(width), inner, relu, up, norm(outer)]
            layers += [nn.Dropout(0.5)] if outer == width else []
        self.model = nn.Sequential(*layers)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)
        return made


class UNet(nn.Module):
    """pix2pix's, nested."""

    def __init__(self, depth: int = 5, width: int = 2, norm: Norm = instance) -> None:
        super().__init__()
        widths = [width * min(2**n, 8) for n in range(depth)]
        inner: nn.Module | None = None
        for level in reversed(range(1, depth)):
            inner = UNetLevel(widths[level - 1], widths[level], inner, norm)
        self.model = UNetLevel(0, width, inner, norm, (3, 3))

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made


class Row(nn.Module):
    """A layer of PyTorch-GAN's U-Net."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(x)
        return made


class RowUNet(nn.Module):
    """PyTorch-GAN's: skips come last and are not rectified."""

    def __init__(self, width: int = 2, depth: int = 6) -> None:
        super().__init__()
        widths = [width * min(2**n, 8) for n in range(depth)]
        self.depth = depth
        for n, (seen, made) in enumerate(zip((3, *widths), widths, strict=False), 1):
            norms = [nn.InstanceNorm2d(made)] if 1 < n < depth else []
            drops = [nn.Dropout(0.5)] if n > 3 else []
            layers = [nn.Conv2d(seen, made, 4, 2, 1, bias=False), *norms, nn.LeakyReLU(0.2), *drops]
            setattr(self, f"down{n}", Row(*layers))
        for n, made in enumerate(reversed(widths[:-1]), 1):
            seen = widths[-1] if n == 1 else 2 * widths[depth - n]
            drops = [nn.Dropout(0.5)] if made == 8 * width else []
            layers = [nn.ConvTranspose2d(seen, made, 4, 2, 1, bias=False), nn.InstanceNorm2d(made),
                      nn.ReLU(), *drops]  # fmt: skip
            setattr(self, f"up{n}", Row(*layers))
        self.final = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.ZeroPad2d((1, 0, 1, 0)),
            nn.Conv2d(2 * width, 3, 4, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for n in range(1, self.depth + 1):
            x = getattr(self, f"down{n}")(x)
            skips.append(x)
        for n in range(1, self.depth):
            x = torch.cat([getattr(self, f"up{n}")(x), skips[-n - 1]], 1)
        made: Tensor = self.final(x)
        return made


def patchgan(
    layers: int = 3,
    norm: Norm = instance,
    *,
    width: int = 4,
    last_bias: bool = True,
    blurs: bool = False,
    even: bool = False,
    channels: int = 3,
) -> nn.Sequential:
    """Discriminators that are one ``nn.Sequential``."""
    bias, seen = norm is instance, channels
    made: list[nn.Module] = []
    for n in range(layers + 1):
        halves = n < layers or even
        out = width * min(2**n, 8)
        stride = 2 if halves and not blurs else 1
        made.append(nn.Conv2d(seen, out, 4, stride, 1, bias=bias or n == 0))
        made += [norm(out)] if n else []
        made.append(nn.LeakyReLU(0.2))
        made += [Blur(out)] if halves and blurs else []
        seen = out
    made += [nn.ZeroPad2d((1, 0, 1, 0))] if even else []
    made.append(nn.Conv2d(seen, 1, 4, padding=1, bias=last_bias))
    return nn.Sequential(*made)


class Named(nn.Module):
    """A network under a name."""

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        self.name = name
        setattr(self, name, network)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = getattr(self, self.name)(x)
        return made


class PerssonJudge(nn.Module):
    def __init__(self) -> None:
        super().__init__()

        def mirrored(seen: int, width: int, stride: int) -> nn.Module:
            return nn.Conv2d(seen, width, 4, stride, 1, padding_mode="reflect")

        self.initial = nn.Sequential(mirrored(3, 4, 2), nn.LeakyReLU(0.2))
        self.model = nn.Sequential(
            Layered(mirrored(4, 8, 2), nn.LeakyReLU(0.2)),
            Layered(mirrored(8, 16, 2), nn.LeakyReLU(0.2)),
            Layered(mirrored(16, 32, 1), nn.LeakyReLU(0.2)),
            mirrored(32, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.model(self.initial(x))  # logits: the sigmoid is the loss's
        return made


def pixel(norm: Norm = instance) -> nn.Sequential:
    bias = norm is instance
    return nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 1, bias=bias), norm(8),
        nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 1, bias=bias),
    )  # fmt: skip


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with weights in which every layer tells, and statistics that do as well."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "filt" in name or not tensor.is_floating_point():
                continue
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.copy_(torch.rand(tensor.shape, generator=rng) + 0.5)
            elif tensor.dim() > 1:
                spread = 1.2 / tensor[0].numel() ** 0.5
                tensor.copy_(torch.randn(tensor.shape, generator=rng) * spread)
            elif not name.endswith(("_u", "_v")):
                tensor.copy_(torch.randn(tensor.shape, generator=rng) * 0.3)
    return network


def as_tested(network: nn.Module, dropout_on: bool = False) -> nn.Module:
    """In training mode, as the peers' test scripts leave it, without what is drawn by chance."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.Dropout) and not dropout_on:
            module.eval()
        if hasattr(module, "weight_orig"):
            module.eval()  # spectral norms move on with each call
    return network
