# Training and every other stage: docs/how-to/containers.md. The wheels of torch bring CUDA; the machine brings the driver.
#   docker build -t maskfold .
FROM python:3.11-slim-bookworm

# One of the two OpenCV wheels that augmentation brings looks for a desktop's libraries; numba's threads for libgomp.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libgomp1 \
    && rm -rf /var/lib/apt/lists/*

RUN python -m venv /opt/maskfold
ENV PATH=/opt/maskfold/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY conf conf
COPY notebooks notebooks
RUN pip install --no-deps .
COPY docker/train.sh /opt/maskfold/docker/

ARG COMMIT=unknown
ENV PYTHONUNBUFFERED=1 HOME=/tmp MASKFOLD_COMMIT=$COMMIT \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Whoever owns the mounted folder is named by `docker run --user`; this is nobody in particular.
USER 10001:10001
WORKDIR /work
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/maskfold/docker/train.sh"]
CMD ["--help"]
