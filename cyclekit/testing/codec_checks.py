"""Checks of reading: settings, files, items, samples."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np

from cyclekit.contract.codec import Codec
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.data.encoded import misshapen
from cyclekit.describe import describe_exception
from cyclekit.errors import BadSample
from cyclekit.testing.checks import check
from cyclekit.testing.faults import Fault, calling, finite, is_plain, require, same
from cyclekit.testing.subject import Subject

ALIKE = 0.85  # of two names, as difflib counts


@check("options")
def options(subject: Subject) -> None:
    """Settings can be read from a recipe that says nothing."""
    networks = (*subject.modality.generators, *subject.modality.discriminators)
    tables = [("Codec.Options", subject.modality.codec.Options)]
    tables += [(f"The options of {network.name!r}", network.options) for network in networks]
    tables += [(f"{kind.__name__}.Options", kind.Options) for kind in subject.modality.objectives]
    for what, table in tables:
        is_table = isinstance(table, type) and issubclass(table, Options)
        require(is_table, f"{what} must be a subclass of cyclekit.api.Options.")
        with calling(f"{what}, without any setting,"):
            table()


@check("names")
def names(subject: Subject) -> None:
    """No method of the contract is misspelt, and each takes what it is given."""
    known = [name for name in vars(Codec) if not name.startswith("_")]
    line = subject.modality.codec.__mro__
    for each in line[: line.index(Codec)]:
        for name, thing in vars(each).items():
            near = get_close_matches(name, known, n=1, cutoff=ALIKE)
            if callable(thing) and near and name not in known and not name.startswith("_"):
                raise Fault(
                    f"{each.__name__}.{name} is never called: did you mean {near[0]!r}? If it is "
                    f"your own, let its name begin with an underscore."
                )
            if inspect.isfunction(thing) and inspect.isfunction(vars(Codec).get(name)):
                _require_parameters(f"{each.__name__}.{name}", thing, getattr(Codec, name))


def _require_parameters(named: str, own: Callable[..., Any], contract: Callable[..., Any]) -> None:
    """A method can be called with what the contract's is called with."""
    given = list(inspect.signature(contract).parameters)
    try:
        inspect.signature(own).bind(*given)
    except TypeError as error:
        has = ", ".join(inspect.signature(own).parameters)
        raise Fault(
            f"{named} must take ({', '.join(given)}), as the contract says; it takes ({has})."
        ) from error


@check("recipe", "options")
def recipe(subject: Subject) -> None:
    """The demo's recipe, or one that says nothing, can be resolved and makes a codec."""
    for role in ("generators", "discriminators"):
        named = [network.name for network in getattr(subject.modality, role)]
        require(
            len(named) == len(set(named)) > 0,
            f"Modality.{role} must name at least one network and no name twice, not {named}.",
        )
    with calling("The recipe"):
        assert subject.recipe
    assert subject.codec


@check("spec", "recipe")
def spec(subject: Subject) -> None:
    """All domains have tensors of one to three axes, as many in one as in the others."""
    dims = {}
    for domain in subject.domains:
        with calling("spec"):
            told = subject.codec.spec(domain)
        require(isinstance(told, TensorSpec), f"spec must return a TensorSpec, not {told!r}.")
        dims[domain] = told.dims
        require(
            1 <= told.dims <= 3,
            f"spec must have 1 to 3 sizes besides the channels, not {told.dims}.",
        )
        multiples = told.multiple_of
        require(
            len(multiples) in (0, told.dims),
            f"spec's multiple_of must have {told.dims} entries or none, not {len(multiples)}.",
        )
        limits = told.range
        require(
            limits is None or limits[0] < limits[1],
            f"spec's range must be (lowest, highest) or None, not {limits}.",
        )
    require(
        len(set(dims.values())) == 1,
        f"spec must have as many axes in one domain as in the others, not {dims}.",
    )


@check("data", "recipe")
def data(subject: Subject) -> None:
    """There are training files of all domains."""
    subject.find_files()


@check("load", "data")
def load(subject: Subject) -> None:
    """Every file can be read."""
    for domain, files in subject.files.items():
        with calling("load"):
            subject.items[domain] = [subject.codec.load_for(file, domain) for file in files]
        require(
            all(item is not None for item in subject.items[domain]),
            "load returned None: return the item.",
        )


@check("refusal", "load")
def refusal(subject: Subject) -> None:
    """Files that are something else are refused in so many words."""
    suffix = subject.files[subject.first][0].suffix
    junk = np.random.default_rng(0).bytes(999)
    for what, content in (("random bytes", junk), ("an empty file", b"")):
        file = subject.folder / f"{what.replace(' ', '-')}{suffix}"
        file.write_bytes(content)
        try:
            subject.codec.load(file)
        except BadSample as error:
            require(bool(error.why), 'load must say why: BadSample(path, "is ...").')
        except Exception as error:
            raise Fault(
                f"load raised {describe_exception(error)} for {what}: catch it and raise "
                f'BadSample(path, "why").'
            ) from error
        else:
            raise Fault(f'load accepts {what}: raise BadSample(path, "why") for such files.')


@check("encode", "load", "spec")
def encode(subject: Subject) -> None:
    """Items become tensors with a channel axis and the spec's axes."""
    for domain, items in subject.items.items():
        dims = subject.codec.spec(domain).dims
        with calling("encode"):
            encoded = [subject.codec.encode(item, domain) for item in items]
        for sample in encoded:
            wrong = misshapen(sample, dims)
            require(not wrong, wrong)
            require(
                sample.tensor.numel() > 0,
                "encode made an empty tensor: load should refuse such a file.",
            )
        subject.samples[domain] = encoded


@check("deterministic", "encode")
def deterministic(subject: Subject) -> None:
    """Encoding the same item twice gives the same tensor."""
    domain = subject.first
    item, first = subject.items[domain][0], subject.samples[domain][0]
    again = subject.new_codec().encode(item, domain)
    require(
        same(first.tensor, again.tensor),
        "encode gives another tensor the second time: leave all chance to augment, and do not "
        "change the item.",
    )


@check("datasets", "deterministic")
def datasets(subject: Subject) -> None:
    """Built-in data is the same whenever it is made from the same seed."""
    if subject.built_in is None:
        return
    again = subject.make_data(subject.built_in, "data-again")
    for domain, files in subject.files_in(again).items():
        for file, sample in zip(files, subject.samples[domain], strict=True):
            with calling("encode, of built-in data that was made again,"):
                encoded = subject.codec.encode(subject.codec.load_for(file, domain), domain)
            require(
                same(encoded.tensor, sample.tensor),
                f"Built-in data {subject.built_in!r} differs when it is made again from the same "
                f"seed: draw all chance from a generator with that seed, as in "
                f"numpy.random.default_rng(seed).",
            )


@check("meta", "encode")
def meta(subject: Subject) -> None:
    """What travels beside a tensor is plain."""
    for samples in subject.samples.values():
        for sample in samples:
            odd = [key for key, value in sample.meta.items() if not is_plain(value)]
            require(
                not odd,
                f"Sample.meta holds what is no plain value under {', '.join(odd)}: use numbers, "
                f"text, lists, dicts or arrays.",
            )
            numbers = sample.facts.values()
            plain = all(isinstance(n, (int, float)) for n in numbers) and finite(numbers)
            require(plain, "Sample.facts must hold finite numbers alone.")
