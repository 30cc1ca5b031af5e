"""StarGAN's and Augmented CycleGAN's networks, written anew from what is known about them."""

import torch
import torch.nn.functional as F
from peers import Apart
from torch import Tensor, nn


def affine(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)


class StarGAN(nn.Module):
    """The label as planes, zeros beyond every border, no biases."""

    def __init__(
        self, labels: int = 5, width: int = 4, blocks: int = 2, *, copy: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3 + labels, width, 7, 1, 3, bias=False), affine(width), nn.ReLU(),
        ]  # fmt: skip
        for _ in range(2):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), affine(2 * width),
                       nn.ReLU()]  # fmt: skip
            width *= 2
        for _ in range(blocks):
            first, second = (
                [nn.Conv2d(width, width, 3, 1, 1, bias=False), affine(width)] for _ in range(2)
            )
            inner = [*first, nn.ReLU(), *second]
            layers.append(Apart("conv_block" if copy else "main", inner))
        for _ in range(2):
            layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
                       affine(width // 2), nn.ReLU()]  # fmt: skip
            width //= 2
        layers += [nn.Conv2d(width, 3, 7, 1, 3, bias=copy), nn.Tanh()]
        self.name = "model" if copy else "main"
        setattr(self, self.name, nn.Sequential(*layers))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        planes = label.view(*label.shape, 1, 1).expand(*label.shape, *x.shape[2:])
        made: Tensor = getattr(self, self.name)(torch.cat([x, planes], 1))
        return made


class StarGANJudge(nn.Module):
    """Halvings without norms; the second head sees the last map as a whole."""

    def __init__(self, labels: int = 5, width: int = 2, layers: int = 6, size: int = 128,
                 *, copy: bool = False) -> None:  # fmt: skip
        super().__init__()
        seen, line = 3, []
        for n in range(layers):
            line += [nn.Conv2d(seen, width * 2**n, 4, 2, 1), nn.LeakyReLU(0.01)]
            seen = width * 2**n
        self.names = ("model", "out1", "out2") if copy else ("main", "conv1", "conv2")
        heads = (
            nn.Conv2d(seen, 1, 3, 1, 1, bias=False),
            nn.Conv2d(seen, labels, size // 2**layers, bias=False),
        )
        for name, part in zip(self.names, (nn.Sequential(*line), *heads), strict=True):
            setattr(self, name, part)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        line, judge, classify = (getattr(self, name) for name in self.names)
        seen = line(x)
        return judge(seen), classify(seen).flatten(1)


class Normalised(nn.Module):
    """By the unbiased variance, as it is written out by hand."""

    def normalised(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        mean, variance = flat.mean(2, keepdim=True), flat.var(2, keepdim=True)
        return ((flat - mean) * torch.rsqrt(variance + 1e-5)).view_as(x)


class OwnNorm(Normalised):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width).normal_(0, 0.02))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.normalised(x) * self.scale.view(1, -1, 1, 1) + self.shift.view(1, -1, 1, 1)


class Conditional(Normalised):
    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.shift_conv, self.scale_conv = (
            nn.Sequential(nn.Conv2d(size, width, 1), nn.ReLU()) for _ in range(2)
        )

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        made: Tensor = self.normalised(x) * self.scale_conv(code) + self.shift_conv(code)
        return made


class Both(nn.Module):
    """A convolution, then what a code does to its maps."""

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.module1, self.module2 = conv, norm

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        made: Tensor = self.module2(self.module1(x), code)
        return made


def run(layers: nn.Sequential, x: Tensor, code: Tensor | None) -> Tensor:
    for layer in layers:
        x = layer(x, code) if isinstance(layer, (Conditional, Both, AugmentedBlock)) else layer(x)
    return x


class AugmentedBlock(nn.Module):
    """Told a code, its layers are also saved under a second name."""

    def __init__(self, width: int, size: int, dropout: bool) -> None:
        super().__init__()
        conv = nn.Conv2d(width, width, 3)
        first = Both(conv, Conditional(width, size)) if size else conv
        drops = [nn.Dropout(0.5)] if dropout else []
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), first, nn.ReLU(), *drops, nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3), OwnNorm(width),
        )  # fmt: skip
        for name, layer in self.conv_block.named_children() if size else ():
            self.add_module(name, layer)

    def forward(self, x: Tensor, code: Tensor | None) -> Tensor:
        return F.relu(x + run(self.conv_block, x, code))


class AugmentedGenerator(nn.Module):
    """``size`` numbers in a code, or none on the way back."""

    def __init__(self, size: int = 16, width: int = 32, channels: tuple[int, int] = (3, 3),
                 dropout: bool = False) -> None:  # fmt: skip
        super().__init__()

        def norm(channels: int) -> nn.Module:
            return Conditional(channels, size) if size else OwnNorm(channels)

        w = width
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(channels[0], w, 7), norm(w), nn.ReLU(),
            nn.Conv2d(w, 2 * w, 3, 1, 1), norm(2 * w), nn.ReLU(),
            nn.Conv2d(2 * w, 4 * w, 3, 2, 1), norm(4 * w), nn.ReLU(),
            *(AugmentedBlock(4 * w, size, dropout) for _ in range(3)),
            nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), norm(2 * w), nn.ReLU(),
            nn.Conv2d(2 * w, w, 3, 1, 1), norm(w), nn.ReLU(),
            nn.Conv2d(w, channels[1], 7, 1, 3), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        return run(self.model, x, None if code is None else code.view(*code.shape, 1, 1))


class AugmentedEncoder(nn.Module):
    def __init__(self, size: int = 16, width: int = 32, channels: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1), nn.ReLU()]
        for _ in range(3):
            layers += [nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False),
                       nn.BatchNorm2d(2 * width), nn.ReLU()]  # fmt: skip
            width *= 2
        layers += [nn.Conv2d(width, width, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.conv_modules = nn.Sequential(*layers)
        self.enc_mu, self.enc_logvar = (nn.Conv2d(width, size, 1) for _ in range(2))

    def forward(self, pair: Tensor) -> Tensor:
        made: Tensor = self.enc_mu(self.conv_modules(pair))
        return made.mean((2, 3))


class AugmentedJudge(nn.Module):
    """Of A (``wide`` kernels of 3, all halve) or of B."""

    def __init__(self, width: int, of_b: bool) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        seen = 3
        for n, out in enumerate(widths):
            kernel, stride = (4, 2 if n < 2 else 1) if of_b else (3, 2)
            layers += [nn.Conv2d(seen, out, kernel, stride, 1), *([OwnNorm(out)] if n else []),
                       nn.LeakyReLU(0.2)]  # fmt: skip
            seen = out
        layers.append(nn.Conv2d(seen, 1, 4, padding=int(of_b)))
        self.model = nn.Sequential(*layers)


class AugmentedCodeJudge(nn.Module):
    def __init__(self, size: int = 16, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for seen in (size, width, width):
            layers += [nn.Linear(seen, width), nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, code: Tensor) -> Tensor:
        made: Tensor = self.model(code)
        return made


def augmented_checkpoint(size: int = 16, width: int = 32) -> dict[str, nn.Module]:
    """The six networks of a file, by the names that they have in it."""
    return {
        "netG_A_B": AugmentedGenerator(size, width),
        "netG_B_A": AugmentedGenerator(0, width),
        "netD_A": AugmentedJudge(width, of_b=False),
        "netD_B": AugmentedJudge(2 * width, of_b=True),
        "netD_z_B": AugmentedCodeJudge(size, 2 * width),
        "netE_B": AugmentedEncoder(size, width),
    }
