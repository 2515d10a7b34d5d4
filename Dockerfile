# syntax=docker/dockerfile:1

# What is built runs on any machine, so it is built on this one.
FROM --platform=$BUILDPLATFORM node:26.10.0-slim AS build
WORKDIR /source
COPY . .
# CI runs this script too, and starts its result: scripts/check-image-tree.sh.
RUN --mount=type=cache,target=/root/.npm scripts/build-image-tree.sh /app

# Node's own image: the very releases we test with, by number, and a shell to look around with. Distroless images
# follow later, under moving tags, and are smaller by little but that shell.
FROM node:26.10.0-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="elastauth" \
      org.opencontainers.image.description="Single sign-on for Elasticsearch and Kibana without a paid license" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# root's, so the account below can read all of it and change none; nothing is written, `--read-only` is fine.
COPY --from=build /app /app
# config.yml is looked for here: mount it at /app/config.yml.
WORKDIR /app
ENV NODE_ENV=production \
    PATH=/app/bin:$PATH \
    ELASTAUTH_LISTEN=:5000
EXPOSE 5000
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 65534:65534

# Knows the file and the environment, not the flags of `docker run IMAGE --listen …`: set ELASTAUTH_LISTEN instead.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["elastauth", "health"]
# No shell and no init between: Node is process 1 and has its own handlers for SIGTERM, SIGINT and SIGHUP.
ENTRYPOINT ["node", "/app/dist/src/main.js"]
