#!/bin/sh
# On a machine with an NVIDIA GPU and TensorRT (`make gpu`): engines of the shipped model, docs/results-gpu.md with device,
# versions, parity and latency, and every test that needs a GPU. The tests run whatever became of the page; the exit code
# is the page's (1 a gate was missed, 3 there is no GPU), or that of the tests where the page is fine.
#     sh benchmarks/gpu_results.sh            BIN=.venv/bin WORK=runs/gpu DEVICE=cuda:0 FORMAT=engine are the defaults
# For TensorRT-RTX: DEVICE=rtx:0 FORMAT=engine-rtx
set -u
BIN=${BIN:-.venv/bin}
WORK=${WORK:-runs/gpu}
DEVICE=${DEVICE:-cuda:0}
FORMAT=${FORMAT:-engine}
OUT=${OUT:-docs/results-gpu.md}

page() (
    set -e
    "$BIN/python" benchmarks/tensorrt_engine.py --device "$DEVICE"
    "$BIN/python" -m edgeseg.demo.cells "$WORK/data" --train 64 --val 24
    cp edgeseg/assets/cells.pt "$WORK/cells.pt"
    "$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --out "$WORK"
    "$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --half --out "$WORK"
    "$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --int8 --half --data "$WORK/data" -n 64 --out "$WORK"
    for artifact in "$WORK"/cells-*-tensorrt; do
        "$BIN/edgeseg" export "$artifact" --format "$FORMAT"
    done
    "$BIN/python" benchmarks/tensorrt_engine.py "$WORK"/cells-*-tensorrt --device "$DEVICE" \
        --checkpoint "$WORK/cells.pt" --images "$WORK/data/images/val" --out "$OUT"
)

mkdir -p "$WORK"
"$BIN/edgeseg" doctor
page
code=$?
"$BIN/pytest" -m gpu -rs tests
tests=$?
[ "$code" -ne 0 ] || code=$tests
exit "$code"
