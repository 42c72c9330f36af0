# syntax=docker/dockerfile:1
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="Keeps Elasticsearch in step with MySQL: Canal changes from Kafka, folded to the last change per key" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json CHANGELOG.md LICENSE ./
COPY demo ./demo
# The embedded adapters write below /data; with real servers nothing is written and the root may be read-only.
RUN mkdir /data && chown node:node /data
USER 1000:1000
WORKDIR /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# How the heap may grow, as in the first line of main.ts: without these flags, garbage is left lying about.
ENTRYPOINT ["node", "--max-old-space-size=2047", "--max-semi-space-size=16", "--heap-growing-percent=130", "--no-parallel-scavenge", "/app/dist/cli/main.js"]
CMD ["run"]
