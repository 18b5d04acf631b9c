# Tracks from ATAC-seq: docker build -t chromputer-tracks . ; podman and buildah read this file, too.
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD":/data chromputer-tracks predict yeast-atac ...
# With a GPU: docker build --build-arg GPU=1 ... ; docker run --gpus all ...
ARG PYTHON=3.12

FROM python:${PYTHON}-slim-bookworm AS wheel
ARG GPU=0
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY chromputer_tracks chromputer_tracks
COPY models models
COPY examples examples
# With a GPU the runtime with CUDA takes the place of the one for the CPU; it is nine times as large.
RUN if [ "$GPU" != 0 ]; then sed -i 's/"onnxruntime>/"onnxruntime-gpu>/' pyproject.toml; fi \
    && python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}-slim-bookworm
ARG GPU=0
LABEL org.opencontainers.image.title="chromputer-tracks" \
      org.opencontainers.image.description="Chromatin-state, TF-binding and importance tracks from ATAC-seq and a genome" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 1000 chromputer \
    && useradd --uid 1000 --gid chromputer --create-home chromputer \
    && install --directory --owner chromputer --group chromputer /data
# CUDA's libraries come from pip; of the host only the driver is needed.
# constraints.txt holds the versions of what the project names, not of all that these need in turn.
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    python -m pip install --no-cache-dir -c /constraints.txt "$(echo /wheel/*.whl)[analysis]" \
    && if [ "$GPU" != 0 ]; then \
         python -m pip install --no-cache-dir -c /constraints.txt "onnxruntime-gpu[cuda,cudnn]"; \
       fi \
    && chromputer --version
ENV PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba
# By number, as clusters check it.
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["chromputer"]
CMD ["--help"]
