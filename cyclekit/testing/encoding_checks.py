"""Checks of what training sees, and of the way back from there to files."""

from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.testing.checks import check
from cyclekit.testing.faults import calling, kind, require, same, sizes, spread
from cyclekit.testing.subject import Subject

CLOSE = 0.5  # of a tensor's spread: how far off it may be after decode and encode
TOLERANCE = 1e-3  # of a range


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
            require(is_sample, f"windows must return Samples, not {kind(window)}.")


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
    for domain in subject.domains:
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
    for domain in subject.domains:
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
            f"decode must return what load returns, {kind(item)}, not {kind(back)}.",
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
        folder = subject.folder / f"saved-{domain}"
        folder.mkdir()
        for stem in ("000000", "some-name"):
            with calling("save"):
                written = subject.codec.save(items[0], folder / stem)
            require(
                written is not None and written.is_file() and written.parent == folder,
                f"save must write a file beside the path it is given and return that file; it "
                f"returned {written}.",
            )
            require(
                written.name.startswith(stem),
                f"save was given the path {stem!r} and wrote {written.name!r}: keep the name, "
                f"only the suffix is yours.",
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
