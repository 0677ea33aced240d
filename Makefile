# Short names for the commands of this project; ./run and ./test are what does the work.
.PHONY: run test lint check-content bench lock

run:
	./run

test:
	./test

# The environment is made by ./test; these two only use it.
lint: .venv-dev
	.venv-dev/bin/ruff check cdshooks fhir_mappings tests bench
	.venv-dev/bin/ruff format --check cdshooks fhir_mappings tests bench
	.venv-dev/bin/mypy

check-content: .venv-dev
	.venv-dev/bin/cdshooks check

bench: .venv-dev
	.venv-dev/bin/python -m bench.run

lock:
	scripts/lock

.venv-dev:
	@echo "Run ./test once: it makes .venv-dev." >&2; exit 1
