#!/usr/bin/env bash
# What a GPU has to say, in at most eight minutes, from a plain checkout on a machine without a network:
#
#   WHEELS=DIR OUT=DIR bash benchmarks/gpu.sh
#
# Uses the torch that is there. What else is missing is installed beside it from WHEELS, a folder that
#   pip download --only-binary=:all: --python-version 3.12 -d DIR -r <(benchmarks/gpu.sh --needs)
# fills elsewhere. OUT gets tests.txt, step.txt and machine.txt. DEVICE=cpu tries it all at tiny sizes.
set -uo pipefail
cd "$(dirname "$0")/.."
NEEDS="click filelock imagecodecs lightning-fabric lightning-utilities numpy packaging pillow pluggy pydantic pytest rich safetensors tensorboard tifffile tomli-w torchmetrics"
if [ "${1:-}" = --needs ]; then printf '%s\n' $NEEDS; exit; fi

PYTHON=${PYTHON:-python3} DEVICE=${DEVICE:-cuda} OUT=${OUT:-benchmarks/results/gpu}
mkdir -p "$OUT"; OUT=$(cd "$OUT" && pwd)
SITE=$(mktemp -d); trap 'rm -rf "$SITE"' EXIT
export PYTHONPATH="$SITE:$PWD:$PWD/plugins:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONDONTWRITEBYTECODE=1 CYCLEKIT_GPU_TESTS=$DEVICE

missing() { # distributions of NEEDS that this Python lacks
    "$PYTHON" - $NEEDS <<'PY'
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        version(name)
    except PackageNotFoundError:
        print(name)
PY
}
WANTED=$(missing)
if [ -n "$WANTED" ]; then
    [ -n "${WHEELS:-}" ] || { echo "error: Python lacks" $WANTED "- name a folder of wheels: WHEELS=DIR" >&2; exit 1; }
    # With what they need, but never a second torch.
    "$PYTHON" -m pip install --quiet --no-index --find-links "$WHEELS" --target "$SITE" \
        $(for name in $WANTED; do [ "$name" = torchmetrics ] || [ "$name" = lightning-fabric ] || echo "$name"; done) || exit 1
    for name in torchmetrics lightning-fabric lightning-utilities; do
        case " $WANTED " in *[[:space:]]$name[[:space:]]*) "$PYTHON" -m pip install --quiet --no-index --no-deps --find-links "$WHEELS" --target "$SITE" "$name" || exit 1;; esac
    done
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
timeout 230 "$PYTHON" -m pytest -p no:cacheprovider -m gpu tests/gpu -v --durations=10 -o addopts="--import-mode=importlib --strict-markers" 2>&1 | tee "$OUT/tests.txt" || status=1
if [ "$DEVICE" = cuda ]; then SIZES=(); else SIZES=(--pixels 32 --blocks 1 --batches 1 2 --rounds 2 --measures "as it is" "channels last"); fi
timeout 230 "$PYTHON" benchmarks/gpu.py --device "$DEVICE" "${SIZES[@]}" 2>&1 | tee "$OUT/step.txt" || status=1
echo "results: $OUT"
exit $status
