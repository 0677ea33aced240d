"""Measure the service beside its floors in one run, and print the table of docs/performance.md.

Usage: python -m bench.run [--seconds 8] [--rounds 3]       needs wrk (Debian: apt-get install wrk)
       python -m bench.run --tail                           only the p95 of answering a large chart; needs nothing
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .body import encoded

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SERVICE = "metabolic-workup-order-select"
CONNECTIONS, THREADS = 8, 2


@dataclass(frozen=True)
class Load:
    """What wrk saw in one round, and the CPU time the server's processes spent on it."""

    rps: float
    p50_us: float
    p99_us: float
    requests: int
    errors: int
    cpu_ms: float
    rss_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tail", action="store_true", help="measure only the p95 of answering a large chart")
    options = parser.parse_args()
    if options.tail:
        print(_tail())
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian: apt-get install wrk)")
    body = Path(tempfile.mkdtemp(prefix="cdshooks-bench-")) / "body.json"
    body.write_bytes(encoded())
    print(
        f"body: {body.stat().st_size / 1000:.0f} kB; {CONNECTIONS} connections, one worker each; "
        f"{options.rounds} rounds of {options.seconds} s, alternating\n"
    )
    servers = _servers()
    rounds: dict[str, list[Load]] = {name: [] for name in servers}
    starts: list[float] = []
    for _ in range(options.rounds):
        for name, (command, path) in servers.items():
            with _serving(command, path, body, starts if name == "service" else []) as (url, pid):
                rounds[name].append(_load(url, pid, body, options.seconds))
    _print(rounds, starts)
    print(_growth())
    print(_tail())


def _servers() -> dict[str, tuple[list[str], str]]:
    port = "{port}"
    return {
        "floor: Flask + orjson, gunicorn (4 threads)": (
            [str(BIN / "gunicorn"), "-k", "gthread", "-w", "1", "--threads", "4", "-b", f"127.0.0.1:{port}", "bench.floor:app"],
            "/cds-services/floor",
        ),
        "floor: Flask + orjson, granian": (
            [
                str(BIN / "granian"),
                "--interface",
                "wsgi",
                "--host",
                "127.0.0.1",
                "--port",
                port,
                "--workers",
                "1",
                "--no-access-log",
                "bench.floor:app",
            ],
            "/cds-services/floor",
        ),
        "service": ([sys.executable, "-m", "cdshooks", "serve", "--demo", "--port", port], f"/cds-services/{SERVICE}"),
    }


@contextmanager
def _serving(command: list[str], path: str, body: Path, starts: list[float]) -> Iterator[tuple[str, int]]:
    port = _free_port()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CDSHOOKS_DATABASE_URL": f"sqlite:///{folder}/bench.db", "PYTHONPATH": str(HERE.parent)}
        process = subprocess.Popen(
            [part.format(port=port) for part in command], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            url = f"http://127.0.0.1:{port}{path}"
            _until_answered(url, body, process)
            starts.append(time.perf_counter() - began)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_answered(url: str, body: Path, process: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(url, body.read_bytes(), {"Content-Type": "application/json"})
    for _ in range(2000):
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                assert json.load(reply)["cards"], "the benchmark measures an answer with a card"
                return
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{process.args!r} ended with {process.returncode}")
            time.sleep(0.01)
    sys.exit(f"{url} never answered")


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _rss_mb(pids: list[int]) -> float:
    """Resident memory of the largest process: the worker."""
    page = os.sysconf("SC_PAGE_SIZE")
    return max(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids) / 1e6


def _load(url: str, pid: int, body: Path, seconds: int) -> Load:
    command = ["wrk", "-t", str(THREADS), "-c", str(CONNECTIONS), "-s", str(HERE / "post.lua"), "--latency", url]
    environment = os.environ | {"BODY": str(body)}
    subprocess.run([*command, "-d", "1"], env=environment, check=True, capture_output=True)
    pids = _family(pid)
    before = _cpu_seconds(pids)
    output = subprocess.run([*command, "-d", str(seconds)], env=environment, check=True, capture_output=True, text=True).stdout
    cpu = _cpu_seconds(pids) - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    rps, p50, p99, requests, errors = (float(part) for part in line.split()[1:])
    return Load(rps, p50, p99, int(requests), int(errors), 1000 * cpu / requests, _rss_mb(pids))


def _print(rounds: dict[str, list[Load]], starts: list[float]) -> None:
    floor = [load.rps for load in next(iter(rounds.values()))]
    print("| server | requests/s | ratio to the first | p50 ms | p99 ms | CPU ms a request | worker MB | errors |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, loads in rounds.items():
        ratio = statistics.median(load.rps / base for load, base in zip(loads, floor, strict=True))
        middle = sorted(loads, key=lambda load: load.rps)[len(loads) // 2]
        print(
            f"| {name} | {middle.rps:.0f} | {ratio:.2f} | {middle.p50_us / 1000:.2f} | {middle.p99_us / 1000:.2f} | {middle.cpu_ms:.2f} "
            f"| {middle.rss_mb:.0f} | {sum(load.errors for load in loads)} |"
        )
    print(f"\nstart to first answered hook: {statistics.median(starts):.2f} s (median of {len(starts)})")


def _growth() -> str:
    """Time of the whole evaluation in process, for growing charts; the best of several, as the machine is shared."""
    from cdshooks.answer import answer
    from cdshooks.content import load_content
    from cdshooks.prefetch import read_prefetch
    from cdshooks.request import parse_request
    from cdshooks.server import calm_collections

    content = load_content()
    calm_collections()
    templates = content.services[SERVICE].templates

    def seconds(observations: int) -> float:
        raw, best = encoded(observations), 1e9
        for _ in range(7):
            began = time.perf_counter()
            request = parse_request(raw, SERVICE, "order-select")
            answer(request, read_prefetch(request, templates), content, datetime.now(UTC))
            best = min(best, time.perf_counter() - began)
        return best

    sizes = (50, 500, 1000, 2500, 5000)
    times = {size: seconds(size) for size in sizes}
    rows = [f"| {size} | {1000 * times[size]:.2f} | {1e6 * (times[size] - times[50]) / (size - 50):.1f} |" for size in sizes[1:]]
    head = "\n| Observations | whole evaluation ms | µs for each beyond 50 |\n| --- | --- | --- |"
    return "\n".join([head, f"| 50 | {1000 * times[50]:.2f} | |", *rows])


def _tail(observations: int = 500, requests: int = 400) -> str:
    """The p50 and p95 of answering a chart of 500 Observations, through the whole application but the network; the law on response time."""
    from cdshooks.app import create_app
    from cdshooks.content import load_content
    from cdshooks.settings import Settings

    client = create_app(Settings(auth="none"), load_content()).test_client()
    body, times = encoded(observations), []
    for _ in range(requests):
        began = time.perf_counter()
        assert client.post(f"/cds-services/{SERVICE}", data=body, content_type="application/json").status_code == 200
        times.append(1000 * (time.perf_counter() - began))
    cuts = statistics.quantiles(times, n=100)
    told = f"{observations} Observations ({len(body) / 1000:.0f} kB), {requests} requests one after another"
    return f"\n{told}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms"


if __name__ == "__main__":
    main()
