# One image, three commands: api, worker, scheduler (and migrate, key-create). It brings no database (set DATABASE_URL)
# and no sandbox carriers: SIMGATE_CARRIERS names real accounts.
#   docker build -t simgate --build-arg COMMIT=$(git rev-parse --short HEAD) .
#   docker run -e DATABASE_URL=postgres://… -e SIMGATE_CARRIERS=/etc/simgate/carriers.toml -v …:/etc/simgate:ro simgate api

FROM python:3.11-slim AS packages
# A mirror, where there is one: --build-arg PIP_INDEX_URL=https://…/simple
ARG PIP_INDEX_URL
# --build-arg TRACING=1: with what sends traces (docs/operations.md, Traces).
ARG TRACING
COPY requirements/service.lock requirements/tracing.lock /
RUN python -m venv /venv \
    && for lock in service ${TRACING:+tracing}; do \
       /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
       -r /$lock.lock || exit 1; done

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/simgate --create-home simgate
COPY --from=packages /venv /venv
WORKDIR /srv/simgate
COPY alembic.ini ./
COPY migrations migrations
COPY app app
COPY carriers carriers
# The rules' own wording, which GET /v1/rules serves.
COPY docs/catalogue.md docs/catalogue.md
ARG COMMIT=unknown
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SIMGATE_HOST=0.0.0.0 \
    SIMGATE_DATA_DIR=/var/lib/simgate \
    SIMGATE_COMMIT=$COMMIT
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["api"]
