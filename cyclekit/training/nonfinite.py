"""What is kept of a step that was not finite: its batch, and a message that says how to go on."""

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from cyclekit.engine.guard import NotFinite
from cyclekit.preparing.preparation import Prepared
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.layout import step_name
from cyclekit.runs.records import to_json
from cyclekit.storage.handle import Refused


def keep_batch(error: NotFinite, prepared: Prepared, run: RunDirectory) -> str:
    """Write out the whole global batch of the step that was not finite.

    ``nonfinite/step-00000123.safetensors`` holds each sample as the networks saw it, under its
    stream and its position in the global batch (``a.0``); the ``.json`` beside it names the files.

    Returns:
        A message that tells where the batch is, and from which checkpoint to go on.
    """
    step, batches = error.found.step, prepared.batches
    samples, files = {}, {}
    for position in range(batches.global_batch):
        for stream, sample in batches.draw(step, [position], torch.device("cpu")).items():
            name = f"{stream}.{position}"
            samples[name] = sample[0].contiguous()
            if stream in prepared.windows:  # else it is a label
                window = batches.window(stream, step, position)
                files[name] = str(prepared.file_of(stream, window))
    name = step_name(step + 1)
    found = {"step": step + 1, "phase": error.found.phase, "terms": error.found.terms}
    try:
        with run.nonfinite.aside() as aside:
            save_file(samples, aside.path / f"{name}.safetensors")
            batch = aside.keep(f"{name}.safetensors")
        told = to_json({**found, "files": files})
        run.nonfinite.write_text(f"{name}.json", told)
        kept = f"Its batch is in {batch}, the files it came from in the .json beside it."
    except (OSError, SafetensorError, Refused) as fault:
        kept = f"Its batch could not be written ({fault})."
    return f"{error} {kept} {advice(run)}"


def advice(run: RunDirectory) -> str:
    """How to go on with a run that came apart."""
    change = "a lower train.learning_rate, train.clip, 32-true precision or train.nonfinite = skip"
    good = list(run.checkpoints.all())
    if not good:
        return f"There is no checkpoint yet: train anew with {change}."
    return (
        f"The last good checkpoint is of step {good[-1]}. Set {change} in {run.recipe_file} and go "
        f"on with: cyclekit resume {run}"
    )
