#!/usr/bin/env bash
# What a GPU has to say, in at most eight minutes, from a plain checkout on a machine without a network:
#
#   WHEELS=DIR OUT=DIR bash benchmarks/gpu.sh
#
# Uses the torch that is there, of any version that pyproject.toml allows. WHEELS is a folder with everything else, which
#   bash benchmarks/gpu.sh --fill DIR [3.12]
# downloads elsewhere (the number is the other machine's Python). All of it is installed as it is; what the machine has
# already (numpy, tensorboard) may be taken out before.
# OUT gets tests.txt, step.txt, demo.txt and machine.txt. DEVICE=cpu tries it all at tiny sizes.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} OUT=${OUT:-benchmarks/results/gpu}

requirements() { # of the engine and the image plugin besides torch; "on" those that ask for torch themselves, else "beside"
    "$PYTHON" - "$1" <<'PY'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = [*project["dependencies"], *project["optional-dependencies"]["image"], "lightning-utilities", "pytest"]
on_torch = ("lightning-", "torchmetrics")
for requirement in wanted:
    if not requirement.startswith("torch>") and requirement.startswith(on_torch) == (sys.argv[1] == "on"):
        print(requirement)
PY
}

download() { # pip's options: never a second torch
    requirements beside | xargs "$PYTHON" -m pip download --quiet "$@" &&
        requirements on | xargs "$PYTHON" -m pip download --quiet --no-deps "$@"
}

if [ "${1:-}" = --fill ]; then
    [ -n "${2:-}" ] || { echo "error: --fill needs a folder" >&2; exit 2; }
    download --only-binary=:all: --python-version "${3:-3.12}" --dest "$2"
    exit
fi

mkdir -p "$OUT"; OUT=$(cd "$OUT" && pwd)
SITE=$(mktemp -d); trap 'rm -rf "$SITE"' EXIT
export PYTHONPATH="$SITE:$PWD:$PWD/plugins:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONDONTWRITEBYTECODE=1 CYCLEKIT_GPU_TESTS=$DEVICE

if [ -n "${WHEELS:-}" ]; then
    "$PYTHON" -m pip install --quiet --no-index --no-deps --target "$SITE" --upgrade "$WHEELS"/*.whl || exit 1
fi
# The checkout as an installed distribution, so that its plugins are found.
"$PYTHON" - "$SITE" <<'PY' || exit 1
import sys, tomllib
from pathlib import Path
project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
info = Path(sys.argv[1]) / f"{project['name']}-{project['version']}.dist-info"
info.mkdir()
(info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["cyclekit"].items())
(info / "entry_points.txt").write_text(f"[cyclekit]\n{points}")
PY

{ "$PYTHON" -c "
import platform, torch
print(platform.python_version(), torch.__version__, torch.version.cuda)
for i in range(torch.cuda.device_count()): print(torch.cuda.get_device_properties(i))
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())"
  nvidia-smi 2>/dev/null; } >"$OUT/machine.txt" 2>&1

status=0
timeout 180 "$PYTHON" -m pytest -p no:cacheprovider -m gpu tests/gpu -v --durations=10 -o addopts="--import-mode=importlib --strict-markers" 2>&1 | tee "$OUT/tests.txt" || status=1
SIZES=() STEPS=800
if [ "$DEVICE" != cuda ]; then
    SIZES=(--pixels 32 --blocks 1 --batches 1 2 --rounds 2 --measures "as it is" "channels last") STEPS=20
fi
timeout 220 "$PYTHON" benchmarks/gpu.py --device "$DEVICE" "${SIZES[@]}" 2>&1 | tee "$OUT/step.txt" || status=1
# What the demo promises holds on a GPU as well: its last lines say how close the translations come.
{ time timeout 90 "$PYTHON" -m cyclekit train --plugin image --recipe demo --run-dir "$SITE/demo" --accelerator "$DEVICE" \
    --steps $STEPS --set train.evaluate_every=$STEPS; } 2>&1 | tee "$OUT/demo.txt" || status=1
echo "results: $OUT"
exit $status
