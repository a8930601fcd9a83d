# One image for `serve` and `worker`. PostgreSQL and Kafka are elsewhere: see docker-compose.yml.
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /out/tidemill .

FROM debian:12-slim
# Python is for dbt, which is installed into a venv of its own at the first start and kept in the volume.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 tidemill \
    && install -d -o tidemill -g tidemill /data
COPY --from=build /out/tidemill /usr/local/bin/tidemill
USER tidemill
ENV TIDEMILL_HOME=/data
VOLUME /data
ENTRYPOINT ["tidemill"]
CMD ["serve"]
