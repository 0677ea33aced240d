# The service in one small image: built in stages, run by an unprivileged user, on a read-only file system.

FROM python:3.13-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements/ requirements/
# Dependencies first: they change less often than the project, and their layer is kept.
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
 && python -m venv /opt/cdshooks && /opt/cdshooks/bin/pip install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY fhir_mappings/ fhir_mappings/
COPY cdshooks/ cdshooks/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/cdshooks/bin/pip install --no-deps dist/*.whl \
 && /opt/cdshooks/bin/cdshooks check

FROM python:3.13-slim-bookworm
COPY --from=builder /opt/cdshooks /opt/cdshooks
ENV PATH=/opt/cdshooks/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A numeric user, so that an orchestrator can see that it is not root.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["cdshooks"]
CMD ["serve", "--host", "0.0.0.0"]
