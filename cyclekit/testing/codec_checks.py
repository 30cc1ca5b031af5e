"""Checks of a codec: files, items, tensors and back."""

from typing import Any

import numpy as np
from torch import Tensor

from cyclekit.contract import DOMAINS, Codec, Options, Sample, TensorSpec
from cyclekit.errors import BadSample
from cyclekit.plugins import describe_exception
from cyclekit.testing.checks import (
    Fault,
    calling,
    check,
    finite,
    is_plain,
    require,
    same,
    sizes,
    spread,
)
from cyclekit.testing.subject import Subject

CLOSE = 0.5  # of a tensor's spread: how far off it may be after decode and encode
TOLERANCE = 1e-3  # of a range


@check("options")
def options(subject: Subject) -> None:
    """Settings can be read from a recipe that says nothing."""
    networks = (*subject.modality.generators, *subject.modality.discriminators)
    tables = [("Codec.Options", subject.modality.codec.Options)]
    tables += [(f"The options of {network.name!r}", network.options) for network in networks]
    for what, table in tables:
        is_table = isinstance(table, type) and issubclass(table, Options)
        require(is_table, f"{what} must be a subclass of cyclekit.api.Options.")
        with calling(f"{what}, without any setting,"):
            table()


@check("recipe", "options")
def recipe(subject: Subject) -> None:
    """The demo's recipe, or one that says nothing, can be resolved."""
    for kind in ("generators", "discriminators"):
        names = [network.name for network in getattr(subject.modality, kind)]
        require(
            len(names) == len(set(names)) > 0,
            f"Modality.{kind} must name at least one network and no name twice, not {names}.",
        )
    with calling("The recipe"):
        assert subject.recipe


@check("spec", "recipe")
def spec(subject: Subject) -> None:
    """Both domains have tensors of one to three axes, as many in one as in the other."""
    dims = {}
    for domain in DOMAINS:
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
    require(dims["a"] == dims["b"], "spec must have as many axes in domain a as in b.")


@check("data")
def data(subject: Subject) -> None:
    """There are training files of both domains."""
    subject.find_files()


@check("load", "data", "recipe")
def load(subject: Subject) -> None:
    """Every file can be read."""
    for domain, files in subject.files.items():
        with calling("load"):
            subject.items[domain] = [subject.codec.load(file) for file in files]
        require(
            all(item is not None for item in subject.items[domain]),
            "load returned None: return the item.",
        )


@check("refusal", "load")
def refusal(subject: Subject) -> None:
    """Files that are something else are refused in so many words."""
    suffix = subject.files["a"][0].suffix
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
            require(
                isinstance(sample, Sample), f"encode must return a Sample, not {_kind(sample)}."
            )
            tensor = sample.tensor
            require(
                isinstance(tensor, Tensor), f"Sample.tensor must be a tensor, not {_kind(tensor)}."
            )
            require(
                tensor.dim() == dims + 1,
                f"encode made a tensor of shape {tuple(tensor.shape)}: expected (channels, "
                f"{', '.join(['size'] * dims)}), without a batch axis.",
            )
            require(
                tensor.numel() > 0, "encode made an empty tensor: load should refuse such a file."
            )
        subject.samples[domain] = encoded


@check("deterministic", "encode")
def deterministic(subject: Subject) -> None:
    """Encoding the same item twice gives the same tensor."""
    item, first = subject.items["a"][0], subject.samples["a"][0]
    again = subject.new_codec().encode(item, "a")
    require(
        same(first.tensor, again.tensor),
        "encode gives another tensor the second time: leave all chance to augment, and do not "
        "change the item.",
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


@check("windows", "encode")
def windows(subject: Subject) -> None:
    """Every item gives something to train on."""
    for domain, samples in subject.samples.items():
        with calling("windows"):
            cut = [list(subject.codec.windows(sample)) for sample in samples]
        require(
            all(cut),
            "windows returned nothing for a sample: load or encode should refuse such a file.",
        )
        subject.windows[domain] = [window for windows in cut for window in windows]
        for window in subject.windows[domain]:
            is_sample = isinstance(window, Sample)
            require(is_sample, f"windows must return Samples, not {_kind(window)}.")


@check("augment", "windows")
def augment(subject: Subject) -> None:
    """All chance comes from the generator that is passed, and the cache is left alone."""
    for domain, cut in subject.windows.items():
        before = cut[0].tensor.clone()
        with calling("augment"):
            first, again = (subject.augmented(domain, cut[0], seed=1) for _ in range(2))
        require(
            same(first, again),
            "augment gives something else for the same generator: draw from rng alone, as in "
            "torch.rand((), generator=rng).",
        )
        require(same(before, cut[0].tensor), "augment changes its input: work on a copy.")
        shapes = {tuple(subject.augmented(domain, window).shape) for window in cut[:9]}
        require(
            len(shapes) == 1 or subject.written.train.batch_size == 1,
            f"augment gives windows of several sizes ({sorted(shapes)}), which do not fit into one "
            f"batch: cut them to one size, or set train.batch_size = 1 in the recipe.",
        )


@check("statistics", "windows")
def statistics(subject: Subject) -> None:
    """What ``fit`` learns is in ``state_dict``, as tensors, and comes back from there."""
    fresh = subject.new_codec()
    for domain in DOMAINS:
        with calling("fit"):
            subject.codec.fit(domain, subject.windows[domain])
    with calling("state_dict"):
        state = subject.codec.state_dict()
    require(
        bool(state) or type(subject.codec).fit is Codec.fit,
        "fit learns something, but state_dict returns nothing: return it there, as tensors, and "
        "take it back in load_state_dict.",
    )
    odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
    require(not odd, f"state_dict must hold tensors alone; {odd} are something else.")
    with calling("load_state_dict"):
        fresh.load_state_dict(state)
    for domain in DOMAINS:
        tensor = subject.windows[domain][0].tensor[None]
        with calling("to_network, with statistics from load_state_dict,"):
            restored = fresh.to_network(tensor, domain)
        with calling("to_network"):
            original = subject.codec.to_network(tensor, domain)
        require(
            same(original, restored),
            "to_network gives something else after load_state_dict(state_dict()): everything that "
            "fit learns must be in state_dict.",
        )


@check("range", "statistics", "augment")
def value_range(subject: Subject) -> None:
    """Networks see what the spec says: channels, sizes, type, values."""
    for domain, cut in subject.windows.items():
        told = subject.codec.spec(domain)
        for window in cut[:9]:
            with calling("to_network"):
                x = subject.batch(domain, subject.augmented(domain, window))
            require(x.is_floating_point(), f"to_network must return floats, not {x.dtype}.")
            require(
                x.dim() == told.dims + 2 and x.shape[1] == told.channels,
                f"to_network gives shape {tuple(x.shape)} in domain {domain}: spec promises "
                f"(batch, {told.channels}, {told.dims} sizes).",
            )
            for axis, (length, wanted) in enumerate(zip(sizes(x), told.sizes, strict=True)):
                require(
                    wanted in (None, length),
                    f"Training windows have size {length} on axis {axis} where spec says {wanted}: "
                    f"cut or pad them in windows or augment, or say None in spec.",
                )
            require(
                told.gaps or bool(x.isfinite().all()),
                "to_network gives numbers that are not finite: refuse such files in load, or set "
                "TensorSpec.gaps where NaN stands for what is not known.",
            )
            _require_range(x, told)


@check("inverse", "range")
def inverse(subject: Subject) -> None:
    """``from_network`` undoes ``to_network``."""
    for domain, samples in subject.samples.items():
        x = subject.batch(domain, samples[0].tensor)
        with calling("from_network"):
            back = subject.codec.to_network(subject.codec.from_network(x, domain), domain)
        require(
            back.shape == x.shape and _distance(x, back) <= 0.05 * spread(x) + 1e-6,
            "from_network does not undo to_network: apply the inverse of its scale and offset.",
        )


@check("decode", "inverse")
def decode(subject: Subject) -> None:
    """Items come back from their tensors, nearly as they were."""
    for domain, samples in subject.samples.items():
        item, sample = subject.items[domain][0], samples[0]
        plain = subject.codec.from_network(subject.batch(domain, sample.tensor), domain)[0]
        with calling("decode"):
            back = subject.codec.decode(plain, domain, sample.meta)
        require(
            type(back) is type(item),
            f"decode must return what load returns, {_kind(item)}, not {_kind(back)}.",
        )
        with calling("encode, of a decoded item,"):
            again = subject.codec.encode(back, domain)
        x, y = (subject.batch(domain, tensor) for tensor in (sample.tensor, again.tensor))
        require(
            x.shape == y.shape,
            f"decode changes the size: {tuple(x.shape[1:])} is {tuple(y.shape[1:])} after decode "
            f"and encode; keep what is missing in Sample.meta.",
        )
        off = _distance(x, y) / max(spread(x), 1e-9)
        require(
            off <= CLOSE,
            f"decode does not undo encode: after decode and encode the tensor is off by {off:.0%} "
            f"of its spread (at most {CLOSE:.0%}); look for a swapped axis, a scale or an offset.",
        )


@check("save", "decode")
def save(subject: Subject) -> None:
    """What is written can be read again."""
    for domain, items in subject.items.items():
        path = subject.folder / f"saved-{domain}" / "some.name"
        path.parent.mkdir()
        with calling("save"):
            written = subject.codec.save(items[0], path)
        require(
            written is not None and written.is_file() and written.parent == path.parent,
            f"save must write a file beside the path it is given and return that file; it returned "
            f"{written}.",
        )
        with calling("read_back, of a file that save wrote,"):
            again = subject.codec.encode(subject.codec.read_back(written), domain)
        first = subject.samples[domain][0]
        require(
            again.tensor.shape == first.tensor.shape,
            "save loses something: what is read back encodes to another shape.",
        )


def _require_range(x: Tensor, told: TensorSpec) -> None:
    if told.range is None:
        return
    low, high = told.range
    slack = TOLERANCE * (high - low)
    least, most = x.nan_to_num(nan=low).min().item(), x.nan_to_num(nan=low).max().item()
    require(
        low - slack <= least and most <= high + slack,
        f"to_network gives values from {least:.4g} to {most:.4g}, but spec promises {low:g} to "
        f"{high:g}: scale them there, or say range=None for unbounded ones.",
    )


def _distance(x: Tensor, y: Tensor) -> float:
    known = ~(x.isnan() | y.isnan())
    return (x - y)[known].abs().double().mean().item()


def _kind(thing: Any) -> str:
    return type(thing).__name__
