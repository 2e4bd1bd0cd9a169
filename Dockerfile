# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
# What the program is watched with while it serves downloads.
RUN apt-get update && apt-get install -y --no-install-recommends curl openssl && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock README.md ./
COPY .ci/dist .ci/dist
COPY src src
# Cargo wants to see every target that the manifest names.
COPY benches benches
# `dist` is built twice, and guided by what was seen between. `release` takes half of the time, and makes a larger program.
ARG PROFILE=dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    if [ "$PROFILE" = dist ]; then .ci/dist /installed/bin/sheaf; \
    else cargo install --path . --locked --profile "$PROFILE" --root /installed; fi
# Owned by the user below, so that a volume mounted there is writable.
RUN mkdir /state

# glibc, root certificates and a user; no shell, no package manager. Nothing but /state is written to: the root file system may
# be read-only, and no capability is needed. There is nothing in here that could ask for /healthz and /readyz: whoever runs
# containers does that from outside.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /installed/bin/sheaf /usr/local/bin/sheaf
COPY --from=build --chown=nonroot:nonroot /state /state
ENV SHEAF_LISTEN=0.0.0.0:8080 SHEAF_STATE_DIR=/state SHEAF_LOG_FORMAT=json
EXPOSE 8080
# nonroot, by its number: Kubernetes cannot tell from a name that it is not root (runAsNonRoot).
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sheaf"]
CMD ["serve"]
