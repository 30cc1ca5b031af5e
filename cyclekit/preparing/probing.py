"""What a training without a recipe goes by: a look at the data, and a few steps of candidates."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from cyclekit.console import Console
from cyclekit.contract.planning import Survey
from cyclekit.data.encoded import encode_file
from cyclekit.data.folders import Collections
from cyclekit.engine.guard import NotFinite
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import Model
from cyclekit.engine.timeline import Timeline
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import BadSample, CyclekitError, DataError, PluginError
from cyclekit.memory import is_out_of_memory
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing import budget
from cyclekit.preparing.choosing import Measured
from cyclekit.preparing.preparation import Prepared, prepare
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory

LOOKED_AT = 200  # files of each domain
READ = 4  # files whose reading is timed
FILES = (4, 20)  # of each domain, that candidates are trained on
FOR_FILES = 3.0  # seconds
STEPS = 8  # at most, besides the one that warms up
STEPS_SHARE = 0.3  # of the time for all measuring, for the steps of one candidate


def surveyed(collections: Collections, seconds: float, device: str) -> Survey:
    """Some files of each domain."""
    files = {name: domain.train for name, domain in collections.domains.items()}
    return Survey(
        {name: _spread(some) for name, some in files.items()},
        {name: len(some) for name, some in files.items()},
        seconds,
        device,
    )


def _spread(files: Sequence[Path]) -> list[Path]:
    """At most so many, from the first to the last."""
    count = min(len(files), LOOKED_AT)
    return [files[index * len(files) // count] for index in range(count)]


def reading(model: Model, survey: Survey) -> tuple[float, float]:
    """Seconds of reading and encoding a file, and values of an item; zeros where none can be."""
    taken, sizes = [], []
    for domain, files in survey.files.items():
        for file in files[:: max(len(files) // READ, 1)][:READ]:
            begun = budget.now()
            try:
                sample = encode_file(model.codec, file, domain)
                model.codec.windows(sample)
            except BadSample:
                continue
            taken.append(budget.now() - begun)
            sizes.append(sample.tensor.numel())
    return (median(taken), median(sizes)) if taken else (0.0, 0.0)


class Probe:
    """Trains a few steps of a recipe on some of its data; leaves nothing.

    Every rank makes the same calls; rank 0's clock counts.

    Attributes:
        refused: Why the last candidate that could not be trained could not be.

    Args:
        host: The plugins.
        run: Has data that is made.
        fabric: Devices and ranks.
        read: Seconds of reading a file.
        values: Of an item.
        limit: Seconds for all measuring.
    """

    def __init__(
        self,
        host: PluginHost,
        run: RunDirectory,
        fabric: Fabric,
        read: float,
        values: float,
        limit: float,
    ) -> None:
        self._host, self._run, self._fabric = host, run, fabric
        self._values = values
        self._limit = limit
        few, many = FILES
        self._files = max(few, min(many, int(FOR_FILES / max(2 * read, 1e-6))))
        self.refused: CyclekitError | None = None

    def measure(self, recipe: Recipe) -> Measured | None:
        """What a recipe is measured at; ``None`` where it does not fit data or memory."""
        begun = budget.now()
        try:
            prepared = prepare(
                self._host, self._limited(recipe), self._run, self._fabric, Console(quiet=True)
            )
            pace = self._pace(prepared)
        except (DataError, PluginError) as error:
            self.refused = error
            return None
        except NotFinite as error:
            self.refused = CyclekitError(f"its first steps are not finite: {error}")
            return None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.refused = CyclekitError("a step takes more memory than there is")
            return None
        pace, elapsed = self._fabric.broadcast((pace, budget.now() - begun))
        window, held = _sizes(prepared)
        batch = recipe.train.batch_size * recipe.train.accumulate
        share = self._values / window if self._values else 1.0
        return Measured(pace, elapsed, share, held, batch)

    def _limited(self, recipe: Recipe) -> Recipe:
        """The recipe with a few files, as it is without what takes long at first."""
        limit = recipe.data.limit
        few = limit if type(limit) is int and limit < self._files else self._files
        data = recipe.data.model_copy(update={"limit": few})
        train = recipe.train.model_copy(update={"compile": False, "cuda_graphs": False})
        return recipe.model_copy(update={"data": data, "train": train})

    def _pace(self, prepared: Prepared) -> float:
        """Seconds of a step after the first, which says how many there is time for."""
        trainer = Trainer(self._fabric, prepared.model, prepared.batches, Timeline(STEPS + 1))
        first = self._timed(trainer, 1)
        there = STEPS_SHARE * self._limit
        count = min(STEPS, int((there - first) / max(first, 1e-6)))
        # The first is slower than others: so slow a one tells enough of what cannot be afforded.
        return self._timed(trainer, count) / count if count > 0 else first

    def _timed(self, trainer: Trainer, count: int) -> float:
        begun = budget.now()
        for _ in range(count):
            trainer.train_step()
            trainer.step += 1
        trainer.require_finite()  # waits for the device
        taken: float = self._fabric.broadcast(budget.now() - begun)
        return taken


def _sizes(prepared: Prepared) -> tuple[float, float]:
    """Values of a window as networks see it, and bytes of a file's windows as they are kept."""
    values = [math.prod(prepared.batches.shape(name, 0)) for name in prepared.windows]
    held = []
    for domain in prepared.encoded.values():
        tensors = [domain.windows[index].sample.tensor for index in range(len(domain.windows))]
        held.append(sum(t.numel() * t.element_size() for t in tensors) / len(domain.files))
    return max(values), max(held)
