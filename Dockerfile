# `e2erknn convert` where rknn-toolkit2 does not run: macOS, Windows, ARM. In a clone:
#
#   docker build --platform linux/amd64 -t e2erknn .
#   docker run --rm --platform linux/amd64 -u "$(id -u):$(id -g)" -v "$PWD:/work" e2erknn convert shapes --soc rk3566
#
# No Docker engine has built it yet; scripts/check_dockerfile.sh runs its steps in a fresh Debian.
FROM debian:bookworm-slim

# An index with torch for the CPU only, as on pytorch.org ("Get started": Linux, Pip, CPU). Empty, torch is PyPI's, which
# does not start without the CUDA libraries it brings.
ARG TORCH_INDEX=""

# libgl1 and libglib2.0-0: for OpenCV as rknn-toolkit2 and Ultralytics ask for it.
RUN apt-get update && \
    apt-get install -y --no-install-recommends python3-venv libgl1 libglib2.0-0 && \
    rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/e2erknn
ENV PATH=/opt/e2erknn/bin:/usr/local/bin:/usr/bin:/bin
# First and by number: the newest that rknn-toolkit2 allows, which Debian's pip finds by downloading all newer ones.
RUN pip install --no-cache-dir torch==2.4.0 torchvision==0.19.0 ${TORCH_INDEX:+--index-url "$TORCH_INDEX"}
COPY . /src
RUN pip install --no-cache-dir "/src[convert]"

# Whoever it runs as has no home here; what is fetched is kept in the folder that is mounted.
ENV HOME=/tmp
ENV XDG_CACHE_HOME=/work/.cache
WORKDIR /work
ENTRYPOINT ["e2erknn"]
