# hiprobe for machines without a GPU. From the root of the repository:
#   docker build --tag hiprobe:local .
#   docker run --rm --volume "$PWD/shop:/videos:ro" --volume hiprobe:/state hiprobe:local detect /videos
# Dockerfile.cuda is the same with PyTorch for NVIDIA GPUs; only the arguments of the first installation differ.
FROM python:3.11-slim-bookworm AS build
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY src /src/src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:3.11-slim-bookworm
COPY constraints.txt /tmp/constraints.txt
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt torch \
      --extra-index-url https://download.pytorch.org/whl/cpu
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --constraint /tmp/constraints.txt num2words \
      "$(echo /wheels/hiprobe-*.whl)[alerts,live,review]" \
    && useradd --uid 10001 --create-home hiprobe \
    && install --directory --owner hiprobe --mode 700 /state

USER 10001
WORKDIR /state
ENV HF_HOME=/state/hub
VOLUME /state
EXPOSE 8010
STOPSIGNAL SIGTERM
ENTRYPOINT ["hiprobe"]
