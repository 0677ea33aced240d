"""The real server, started as an operator starts it: it answers, tells its URL, refuses a taken port, and stops gracefully."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = "metabolic-workup-order-select"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def address_of(url: str) -> tuple[str, int]:
    return "127.0.0.1", int(url.rpartition(":")[2])


def start(folder: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith("CDSHOOKS_")}
    return subprocess.Popen(
        [sys.executable, "-m", "cdshooks", "serve", *options],
        cwd=folder,
        env=clean | environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What an ending server still had to say. `communicate` would lose the lines that reading the first one has buffered already."""
    assert process.stdout is not None and process.stderr is not None
    process.wait(timeout=30)
    return process.stdout.read(), process.stderr.read()


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in its own process, ready: its URL and the process. It is stopped at the end, if it has not ended before."""
    port = free_port()
    process = start(folder, "--port", str(port), *options, **environment)
    assert process.stdout is not None and process.stderr is not None
    try:
        assert process.stdout.readline() == f"CDS Hooks discovery: http://127.0.0.1:{port}/cds-services\n"
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.terminate()
        rest_of(process)
        process.stdout.close()
        process.stderr.close()


def ask(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_demo_answers_its_samples_and_stops_gracefully(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as (url, process):
        assert ask(f"{url}/healthz") == (200, {"status": "ok"})
        for path in ask(f"{url}/demo/requests")[1]["requests"]:
            status, body = ask(url + path)
            service = f"metabolic-workup-{body['hook']}"
            assert (status, ask(f"{url}/cds-services/{service}", body)[0]) == (200, 200)
        assert ask(f"{url}/demo/requests/none.json")[0] == 404
        process.send_signal(signal.SIGTERM)
        output, events = rest_of(process)
        assert process.returncode == 0
        assert all(json.loads(line)["event"] in ("hook", "error") for line in events.splitlines())
        assert "--data-binary" in output


@pytest.mark.skipif(shutil.which("curl") is None, reason="the printed line is for curl, which is not installed; the service does not need it")
def test_the_curl_line_that_demo_prints_gets_a_card(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as (_, process):
        assert process.stdout is not None
        line = next(line for line in process.stdout if "curl" in line).strip()
        assert re.match(r"curl -s \S+ \| curl ", line) and "|" in shlex.split(line)
        answered = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=True)
        assert json.loads(answered.stdout)["cards"]


def test_without_authentication_configured_hook_calls_are_401_and_the_start_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, process):
        assert ask(f"{url}/cds-services")[0] == 200 and ask(f"{url}/readyz")[0] == 200
        assert ask(f"{url}/cds-services/{SERVICE}", {})[0] == 401
        assert ask(f"{url}/demo/requests")[0] == 404
        process.terminate()
        output, _ = rest_of(process)
        assert "CDSHOOKS_AUTH=none" in output and "--demo" in output


def test_two_workers_share_the_port_and_sigint_stops_both(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2", CDSHOOKS_AUTH="none") as (url, process):
        assert {ask(f"{url}/cds-services/{SERVICE}", {})[0] for _ in range(20)} == {400}
        process.send_signal(signal.SIGINT)
        rest_of(process)
        assert process.returncode == 0
        with pytest.raises(urllib.error.URLError):
            ask(f"{url}/healthz")


def test_a_call_in_hand_is_finished_before_the_stop(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo", CDSHOOKS_MAX_BODY_BYTES="100000000") as (url, process):
        status, body = ask(f"{url}/demo/requests/hypercalcaemia.json")
        assert status == 200
        body["prefetch"]["observations"]["entry"] *= 10_000  # long enough to be interrupted
        body = json.dumps(body).encode()
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(ask(f"{url}/cds-services/{SERVICE}", body)[0]))
        caller.start()
        time.sleep(0.2)
        assert not answers
        process.terminate()
        caller.join(30)
        assert answers == [200]


def test_a_taken_port_is_told_and_ends_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start(tmp_path, "--demo", "--port", str(port))
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and f"port {port}" in errors and "--port" in errors and output == ""


def test_a_setting_that_is_not_understood_ends_the_start(tmp_path: Path) -> None:
    process = start(tmp_path, CDSHOOKS_AUTH="basic", CDSHOOKS_BUDGET_MS="soon")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and "CDSHOOKS_AUTH='basic'" in errors and "CDSHOOKS_BUDGET_MS='soon'" in errors


def test_demo_is_refused_beyond_loopback(tmp_path: Path) -> None:
    process = start(tmp_path, "--demo", "--host", "0.0.0.0")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and "CDSHOOKS_AUTH_NONE_ANYWHERE=yes" in errors


def test_a_broken_site_overlay_never_goes_live(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thresholds.toml").write_text("[calcium\n", encoding="utf-8")
    process = start(tmp_path, "--demo", "--port", str(free_port()), CDSHOOKS_SITE="site")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and "site/thresholds.toml" in errors
