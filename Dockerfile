# Two stages: a static binary made with musl, then nothing but that binary.

FROM rust:1.95-alpine AS build
RUN apk add --no-cache gcc musl-dev ca-certificates
WORKDIR /src
# The dependencies first, in a layer of their own: they change less often than weir.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches && touch src/lib.rs && echo 'fn main() {}' > src/main.rs \
 && for bench in $(sed -n '/^\[\[bench/{n;s/name = "\(.*\)"/\1/p}' Cargo.toml); do \
      touch "benches/$bench.rs"; done \
 && cargo build --release --locked --bin weir
COPY src src
RUN touch src/lib.rs src/main.rs && cargo build --release --locked --bin weir

FROM scratch
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="Stands between Prometheus exporters and Prometheus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/weir /weir
# Numeric, so that Kubernetes can tell it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/weir"]
