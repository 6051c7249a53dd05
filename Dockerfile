# otel-killsnoop in a container: one image for every kernel with BTF from 5.8 on.
#
#     podman run --network=host --cap-drop=all --cap-add=BPF --cap-add=PERFMON --read-only \
#         --security-opt no-new-privileges --security-opt seccomp=config/seccomp.json \
#         --volume /proc:/host/proc:ro --volume killsnoop:/var/lib/otel-killsnoop otel-killsnoop
#
# With `--volume /sys/fs/bpf:/sys/fs/bpf` signals outlive a kill of the agent, as by an update.
# SYS_PTRACE may be added: it shows the executable's path of processes older than the agent.
# The seccomp profile has what the agent calls and nothing else: so it goes with no-new-privileges,
# or the runtime would put it on while it still changes users. Without it, the default profile of
# some runtimes (podman of Debian 12) forbids bpf(2), capability or not.
#
# Everything else is said by environment variables. It runs as uid 0, though with no more than the
# capabilities above: only for uid 0 does a container runtime turn granted capabilities into
# effective ones.

# A Debian or Ubuntu with Python 3.11 or newer. Both stages use it: their Pythons must agree.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3-bpfcc python3-venv
WORKDIR /src
# For builds behind a certificate or package index of one's own; neither gets into the image.
ARG PIP_CERT=""
ARG PIP_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
# First what changes seldom. The back end builds the wheel from an environment of its own.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/otel-killsnoop && python3 -m venv /opt/build \
    && /opt/otel-killsnoop/bin/pip install --quiet --require-hashes --only-binary :all: \
        --requirement requirements.lock \
    && /opt/build/bin/pip install --quiet --require-hashes --only-binary :all: \
        --requirement requirements-build.lock
COPY pyproject.toml README.md ./
COPY bpf bpf
COPY otel_killsnoop otel_killsnoop
# bcc belongs to the system's Python, and is wanted for this one step.
RUN python3 -m otel_killsnoop.tracer.compile \
    && /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/otel-killsnoop/bin/pip install --quiet --no-deps dist/*.whl \
    && /opt/otel-killsnoop/bin/pip uninstall --quiet --yes setuptools pip

FROM ${BASE}
LABEL org.opencontainers.image.title="otel-killsnoop" \
    org.opencontainers.image.description="Every Unix signal on a Linux host as an OTLP log record"
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
    # A volume that is made there takes this mode.
    && mkdir --mode=0700 /var/lib/otel-killsnoop
COPY --from=build /opt/otel-killsnoop /opt/otel-killsnoop
ENV PATH=/opt/otel-killsnoop/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    KILLSNOOP_ROOT=/host \
    OTEL_LOGS_EXPORTER=otlp \
    OTEL_METRICS_EXPORTER=otlp
VOLUME /var/lib/otel-killsnoop
ENTRYPOINT ["otel-killsnoop"]
CMD ["run"]
