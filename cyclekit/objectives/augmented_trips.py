"""What becomes of samples on one way of Augmented CycleGAN, and what that costs each side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import torch
from torch import Tensor, nn

from cyclekit import api
from cyclekit.nets.codes import side_by_side
from cyclekit.objectives.augmented_options import AugmentedOptions

A, B = "a", "b"


@dataclass(frozen=True)
class Way:
    """A direction and the networks that have a part in it.

    Attributes:
        source: From where.
        target: To where.
    """

    source: str
    target: str

    @property
    def there(self) -> str:
        """The generator."""
        return f"generator_{self.source}2{self.target}"

    @property
    def back(self) -> str:
        """The other way's generator."""
        return f"generator_{self.target}2{self.source}"


WAYS = (Way(A, B), Way(B, A))


def encoder(domain: str) -> str:
    """Finds a domain's codes."""
    return f"encoder_{domain}"


def discriminator(domain: str) -> str:
    """Judges a domain's samples."""
    return f"discriminator_{domain}"


def code_discriminator(domain: str) -> str:
    """Judges a domain's codes."""
    return f"code_discriminator_{domain}"


class Trip:
    """What becomes of one way's samples in one step, on which all of its terms look.

    Attributes:
        fake: The source's samples, translated with a code that was drawn; there once ``start`` or
            ``look`` was called.
    """

    fake: Tensor

    def __init__(
        self,
        options: AugmentedOptions,
        specs: Mapping[str, api.TensorSpec],
        coded: Sequence[str],
        way: Way,
        networks: api.Networks,
        batch: api.Batch,
        step: api.Step,
    ) -> None:
        self._options, self._specs, self._coded, self._way = options, specs, coded, way
        self._loss = api.ADVERSARIAL_LOSSES[options.adversarial.loss]
        self._networks, self._batch, self._step = networks, batch, step

    def start(self) -> None:
        """Call the generator."""
        way = self._way
        x = self._batch[way.source]
        made = call(self._networks[way.there], x, self._drawn(way.target))
        api.require_shape(made[:, :1], x[:, :1], way.there)
        valid = self._step.valid.get(way.source)
        # Real samples have zeros in their gaps: fakes are shown with the same ones.
        self.fake = made if valid is None else made * valid.all(dim=1, keepdim=True)

    @torch.no_grad()
    def look(self) -> None:
        """The same for discriminators, with the code that is found in what was made."""
        self.start()
        if self._way.source in self._coded:
            _ = self._code

    def learning(self) -> list[api.Term]:
        """What generators and encoders pay."""
        way, options, coded = self._way, self._options, self._coded
        here = encoder(way.source)
        finding = (here,) if way.source in coded else ()
        terms = [
            api.Term(
                f"adversarial_{way.source}2{way.target}",
                options.adversarial.weight,
                (way.there, discriminator(way.target)),
                self._fool,
            ),
            api.Term(
                f"cycle_{way.source}",
                options.cycle.weight,
                (way.there, way.back, *finding),
                self._return,
            ),
        ]
        if way.source in coded:
            terms.append(
                api.Term(
                    f"found_{way.source}",
                    options.code.adversarial,
                    (way.there, here, code_discriminator(way.source)),
                    self._fool_codes,
                )
            )
        if way.target in coded:
            called = (way.there, encoder(way.target))
            terms.append(api.Term(f"code_{way.target}", options.code.weight, called, self._recover))
        return terms

    def judging(self) -> list[api.TermGroup]:
        """What the discriminators pay that look at this way's fakes and codes; those of samples
        pay for their gradients, too."""
        way, held = self._way, self._options.adversarial.regularization
        judge = discriminator(way.target)
        terms = [api.Term(judge, 1.0, (judge,), self._judge)]
        if way.source in self._coded:
            codes = code_discriminator(way.source)
            terms.append(api.Term(codes, 1.0, (codes,), self._judge_codes))
        network, index = self._networks[judge], self._step.index
        penalties = api.penalty_groups(held, judge, network, self._seen, index)
        groups = [*penalties, api.TermGroup(terms)]
        look = cache(self.look)  # for the first group that is computed
        return [replace(group, share=look) for group in groups]

    def _drawn(self, domain: str) -> Tensor | None:
        """This step's code for each sample, where the domain has such."""
        if domain not in self._coded:
            return None
        x = self._batch[self._way.source]
        return self._step.normal(x, "code", domain, shape=(self._options.code.size,))

    @cached_property
    def _code(self) -> Tensor:
        """The source's code that is found in what it was made into."""
        return self._find(self._way.source)

    def _find(self, domain: str) -> Tensor:
        x = self._batch[self._way.source]
        return find(self._networks, domain, self._way.source, x, self._sent)

    @property
    def _shown(self) -> Tensor:
        """Fakes as discriminators see them."""
        return self._rounded(self._options.rounding.discriminators)

    @property
    def _sent(self) -> Tensor:
        """Fakes as the way back gets them, and what finds codes in them."""
        return self._rounded(self._options.rounding.cycle)

    def _rounded(self, wanted: bool) -> Tensor:
        return api.rounded(self.fake, self._specs[self._way.target]) if wanted else self.fake

    def _fool(self) -> Tensor:
        judge = self._networks[discriminator(self._way.target)]
        real = self._batch[self._way.target]
        return api.generator_loss(self._loss, judge, self._shown, lambda: real)

    def _return(self) -> Tensor:
        """How far off the source comes back (equations 3 and 4)."""
        source = self._way.source
        code = self._code if source in self._coded else None
        cycled = call(self._networks[self._way.back], self._sent, code)
        x = self._batch[source]
        api.require_shape(cycled, x, f"the {source} -> {self._way.target} -> {source} cycle")
        spec, valid = self._specs[source], self._step.valid.get(source)
        return api.distance(self._options.distance, cycled, x, spec, valid)

    def _fool_codes(self) -> Tensor:
        judge = self._networks[code_discriminator(self._way.source)]
        return api.generator_loss(self._loss, judge, self._code, self._real_codes)

    def _recover(self) -> Tensor:
        drawn = self._drawn(self._way.target)
        assert drawn is not None
        return api.l1(self._find(self._way.target), drawn)

    def _seen(self) -> tuple[Tensor, Tensor]:
        """Real samples of the target, and fakes."""
        return self._batch[self._way.target], self._shown

    def _real_codes(self) -> Tensor:
        drawn = self._drawn(self._way.source)
        assert drawn is not None
        return drawn.to(self._code.dtype)

    def _judge(self) -> Tensor:
        return self._cost(discriminator(self._way.target), *self._seen())

    def _judge_codes(self) -> Tensor:
        return self._cost(code_discriminator(self._way.source), self._real_codes(), self._code)

    def _cost(self, judge: str, real: Tensor, fake: Tensor) -> Tensor:
        return api.discriminator_loss(
            self._loss,
            self._networks[judge],
            real,
            fake,
            share=lambda: self._step.uniform(real, "penalty", judge),
            penalty=self._options.adversarial.gradient_penalty,
        )


def call(network: nn.Module, x: Tensor, code: Tensor | None) -> Tensor:
    """What a network makes, told a code where there is one."""
    made: Tensor = network(x) if code is None else network(x, code)
    return made


def find(
    networks: api.Networks, domain: str, source: str, x: Tensor, counterpart: Tensor
) -> Tensor:
    """A domain's codes in samples of ``source`` beside their counterparts."""
    a, b = (x, counterpart) if source == A else (counterpart, x)
    found: Tensor = networks[encoder(domain)](side_by_side(a, b))
    return found
