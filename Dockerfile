# One image; the command picks what it is: `up` (server and runner), `server` or `runner`.
# The base is any Debian or Ubuntu with Node 20 or newer and npm 10 or newer. Its programs are those that build steps use:
# choose a fuller base, or build an image from this one, to give steps more.
ARG BASE=docker.io/library/node:24-bookworm-slim
FROM ${BASE} AS page
WORKDIR /opt/reprise
COPY . .
RUN npm ci && npm run build

FROM ${BASE}

RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      bubblewrap slirp4netns iproute2 util-linux procps git openssh-client ca-certificates curl python3 make gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && npm --version

WORKDIR /opt/reprise
COPY package.json package-lock.json .npmrc ./
COPY pipelines/package.json pipelines/
COPY runner/package.json runner/
COPY server/package.json server/
COPY ui/package.json ui/
COPY test/package.json test/
RUN npm ci --omit=dev
COPY pipelines pipelines
COPY runner runner
COPY server server
COPY --from=page /opt/reprise/ui/dist ui/dist
RUN ln -s /opt/reprise/docker-entry /usr/local/bin/reprise \
 && printf '#!/bin/sh\nexec /opt/reprise/node_modules/.bin/node /opt/reprise/server/main.ts "$@"\n' > docker-entry \
 && chmod +x docker-entry \
 && mkdir -p /var/lib/reprise

ENV REPRISE_HOST=0.0.0.0 REPRISE_DATA_DIR=/var/lib/reprise
VOLUME /var/lib/reprise
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD curl -fsS http://127.0.0.1:4000/healthz || exit 1
ENTRYPOINT ["reprise"]
CMD ["up"]
