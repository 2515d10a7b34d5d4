# syntax=docker/dockerfile:1

# The result runs on every architecture, so it is built on that of the build machine.
FROM --platform=$BUILDPLATFORM node:26.10.0-slim AS build
WORKDIR /source
COPY . .
# CI runs this script too, and starts its result: scripts/check-image-tree.sh.
RUN --mount=type=cache,target=/root/.npm scripts/build-image-tree.sh /app

# Node's official image, because it has the exact release that the tests use, and a shell for debugging. Distroless images
# follow later, have only moving tags, and save little more than the shell.
FROM node:26.10.0-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="elastauth" \
      org.opencontainers.image.description="Single sign-on for Elasticsearch and Kibana without a paid license" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# Owned by root, so the account below can read but not change it. Nothing is written, so `--read-only` works.
COPY --from=build /app /app
# The default configuration file is config.yml in this directory: mount it at /app/config.yml.
WORKDIR /app
ENV NODE_ENV=production \
    PATH=/app/bin:$PATH \
    ELASTAUTH_LISTEN=:5000
EXPOSE 5000
# By number, so that Kubernetes' runAsNonRoot can verify it.
USER 65534:65534

# Reads the file and the environment, but not the flags of `docker run IMAGE --listen …`: set ELASTAUTH_LISTEN instead.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["elastauth", "health"]
# Without a shell or an init process: Node is process 1, and elastauth handles SIGTERM, SIGINT and SIGHUP.
ENTRYPOINT ["node", "/app/dist/main.cjs"]
