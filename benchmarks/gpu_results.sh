#!/bin/sh
# On a machine with an NVIDIA GPU and TensorRT: engines of the shipped model, every test that needs a GPU, and
# docs/results-gpu.md with device, versions, parity and latency. Stops with exit 3 where there is no GPU.
#     sh benchmarks/gpu_results.sh            BIN=.venv/bin WORK=runs/gpu DEVICE=cuda:0 FORMAT=engine are the defaults
# For TensorRT-RTX: DEVICE=rtx:0 FORMAT=engine-rtx
set -eu
BIN=${BIN:-.venv/bin}
WORK=${WORK:-runs/gpu}
DEVICE=${DEVICE:-cuda:0}
FORMAT=${FORMAT:-engine}

"$BIN/edgeseg" doctor || true
"$BIN/python" -m edgeseg.cells "$WORK/data" --train 64 --val 24
cp edgeseg/assets/cells.pt "$WORK/cells.pt"
"$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --out "$WORK"
"$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --half --out "$WORK"
"$BIN/edgeseg" export "$WORK/cells.pt" --format tensorrt --int8 --half --data "$WORK/data" -n 64 --out "$WORK"
for artifact in "$WORK"/cells-*-tensorrt; do
    "$BIN/edgeseg" export "$artifact" --format "$FORMAT"
done
"$BIN/python" benchmarks/tensorrt_engine.py "$WORK"/cells-*-tensorrt --device "$DEVICE" \
    --checkpoint "$WORK/cells.pt" --images "$WORK/data/images/val" --out docs/results-gpu.md
"$BIN/pytest" -m gpu -rs tests
