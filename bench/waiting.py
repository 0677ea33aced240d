"""Measure what calls with full prefetch notice of others that wait for a FHIR server that hangs, and print the table of docs/performance.md.

Usage: python -m bench.waiting [--seconds 8] [--rounds 3] [--waiting 32]       needs wrk (Debian: apt-get install wrk)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .body import encoded, request
from .run import CONNECTIONS, SERVICE, Load, _free_port, _load, _serving


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--waiting", type=int, default=32)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    body = Path(tempfile.mkdtemp(prefix="cdshooks-bench-")) / "body.json"
    body.write_bytes(encoded())
    rounds: dict[str, list[Load]] = {"nobody waits": [], f"{options.waiting} calls wait": []}
    command = [sys.executable, "-m", "cdshooks", "serve", "--demo", "--port", "{port}"]
    with _hanging() as fhir:
        # Long enough for every call to wait during the whole measurement: the circuit breaker would open otherwise, and nobody would wait.
        os.environ |= {"CDSHOOKS_FHIR_SERVERS": fhir, "CDSHOOKS_BUDGET_MS": str(1000 * (options.seconds + 30))}
        for _ in range(options.rounds):
            for name, count in zip(rounds, (0, options.waiting), strict=True):
                with _serving(command, f"/cds-services/{SERVICE}", body, []) as (url, pid), _callers(url, fhir, count):
                    rounds[name].append(_load(url, pid, body, options.seconds))
    _print(rounds, options.seconds)


@contextmanager
def _hanging() -> Iterator[str]:
    """A FHIR server that takes connections and never answers."""
    port = _free_port()
    with socket.create_server(("127.0.0.1", port), backlog=1024):
        yield f"http://127.0.0.1:{port}/fhir"


@contextmanager
def _callers(url: str, fhir: str, count: int) -> Iterator[None]:
    """Hook calls that lack their observations, which have to come from the server that hangs."""
    lacking = request()
    del lacking["prefetch"]["observations"]
    raw = json.dumps(lacking | {"fhirServer": fhir}).encode()
    answered: list[int] = []

    def call() -> None:
        try:
            asked = urllib.request.Request(url, raw, {"Content-Type": "application/json"})
            urllib.request.urlopen(asked, timeout=300).close()
            answered.append(200)
        except urllib.error.HTTPError as error:
            answered.append(error.code)
        except OSError:
            pass  # the service was stopped, as it is at the end of a round

    for _ in range(count):
        threading.Thread(target=call, daemon=True).start()
    time.sleep(1 if count else 0)
    yield
    if answered:
        sys.exit(f"a call that was to wait was answered: {answered}")


def _print(rounds: dict[str, list[Load]], seconds: int) -> None:
    bare = next(iter(rounds.values()))
    print(f"{CONNECTIONS} connections, one worker; {len(bare)} rounds of {seconds} s, alternating\n")
    print("| calls with full prefetch, while | requests/s | ratio | p50 ms | ratio | p99 ms | errors |\n| --- | --- | --- | --- | --- | --- | --- |")
    for name, loads in rounds.items():
        throughput = statistics.median(load.rps / base.rps for load, base in zip(loads, bare, strict=True))
        middle = statistics.median(load.p50_us / base.p50_us for load, base in zip(loads, bare, strict=True))
        load = sorted(loads, key=lambda load: load.p50_us)[len(loads) // 2]
        print(
            f"| {name} | {load.rps:.0f} | {throughput:.2f} | {load.p50_us / 1000:.2f} | {middle:.2f} | {load.p99_us / 1000:.2f} "
            f"| {sum(load.errors for load in loads)} |"
        )


if __name__ == "__main__":
    main()
