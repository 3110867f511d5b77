# Two stages: the second has the binary, the roots of TLS and a user, and nothing to build with.
#
# .ci/run carries out the first stage's RUN lines in a clean copy of the repository, so keep every step
# that makes the binary in one of them.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --locked --release --bin readypost

FROM debian:bookworm-slim
# The roots that readypost trusts are the system's.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin readypost
COPY --from=build /build/target/release/readypost /usr/local/bin/readypost
USER 10001
# Journal and index; set `path = "/data"` in [store].
VOLUME /data
# Set `listen = "0.0.0.0:8080"` in [server]; the default is loopback, which nobody outside reaches.
EXPOSE 8080
# The door closes within 15 seconds and steps under way end within 75 (`docker stop --time 90`).
STOPSIGNAL SIGTERM
# readypost asks itself, without a shell. Set READYPOST_URL where it listens elsewhere, or speaks TLS.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["readypost", "health"]
ENTRYPOINT ["readypost"]
CMD ["serve", "--config", "/etc/readypost/readypost.toml"]
