"""SIGHUP: content is checked first and taken over whole by every worker, or not at all; no call in hand is lost."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from cdshooks import server
from cdshooks.errors import ClientsError, StoreError
from cdshooks.settings import Settings

from .test_server import SERVICE, ask, rest_of, serving

Json = dict[str, Any]


def overlay(folder: Path, text: str) -> Path:
    (folder / "thresholds.toml").write_text(text, encoding="utf-8")
    return folder


def critical(value: str) -> str:
    return f'[critical]\ncalcium_high = {{ value = {value}, why = "local policy", by = "A. Smith" }}\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return overlay(tmp_path / "site", critical("13.5"))


class Log:
    """What a server writes to stderr, read at all times: a full pipe would hold it up."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: queue.Queue[Json] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.events.put(json.loads(line))

    def reloaded(self) -> Json:
        """Ask for a reload; what the log says of it."""
        self.process.send_signal(signal.SIGHUP)
        while (event := self.events.get(timeout=60))["event"] != "reload":
            pass
        return event


def digest(url: str) -> str:
    status, told = ask(f"{url}/readyz")
    assert status == 200
    return str(told["content"])


def digests(url: str) -> set[str]:
    """What enough connections are told to have met every worker."""
    return {digest(url) for _ in range(30)}


def until_all_have(url: str, wanted: str) -> None:
    while digests(url) != {wanted}:
        pass  # old workers still answer beside new ones


def test_every_worker_takes_over_new_content_and_calls_go_on_being_answered(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path, "--demo", "--workers", "2", CDSHOOKS_SITE=str(site)) as (url, process):
        log, before = Log(process), digest(url)
        body, answers, done = ask(f"{url}/demo/requests/hypercalcaemia.json")[1], list[int](), threading.Event()

        def call() -> None:
            while not done.is_set():
                answers.append(ask(f"{url}/cds-services/{SERVICE}", body)[0])

        caller = threading.Thread(target=call)
        caller.start()
        overlay(site, critical("14.5"))
        event = log.reloaded()
        assert event["result"] == "taken over" and event["content"] != before
        until_all_have(url, event["content"])
        done.set()
        caller.join(30)
        assert set(answers) == {200}


def test_faulty_content_is_refused_with_every_fault_and_the_last_good_stays(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path, "--demo", CDSHOOKS_SITE=str(site)) as (url, process):
        log, before, body = Log(process), digest(url), ask(f"{url}/demo/requests/hypercalcaemia.json")[1]
        workers = children(process)
        overlay(site, critical('"high"') + "[nonsense]\nx = 1\n")
        event = log.reloaded()
        assert event["result"] == "refused" and len(event["faults"]) >= 2 and all("thresholds.toml" in fault for fault in event["faults"])
        assert digests(url) == {before} and ask(f"{url}/cds-services/{SERVICE}", body)[0] == 200
        assert children(process) == workers  # nobody was replaced
        overlay(site, critical("14.5"))
        event = log.reloaded()
        assert event["result"] == "taken over"
        until_all_have(url, event["content"])


def test_with_jwts_the_clients_file_is_read_again_and_a_faulty_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "clients.toml"
    good = '[[client]]\nname = "a"\niss = "https://a.example"\njku = "https://a.example/keys"\n'
    file.write_text(good, encoding="utf-8")
    with serving(tmp_path, CDSHOOKS_AUTH="jwt", CDSHOOKS_CLIENTS=str(file)) as (url, process):
        log, workers = Log(process), children(process)
        assert ask(f"{url}/readyz")[1]["checks"] == {"content": "ok", "store": "ok"}
        file.write_text(good.replace("iss =", "is ="), encoding="utf-8")
        event = log.reloaded()
        assert event["result"] == "refused" and len(event["faults"]) == 2 and all("clients.toml" in fault for fault in event["faults"])
        assert children(process) == workers
        file.write_text(good, encoding="utf-8")
        assert log.reloaded()["result"] == "taken over"
        assert ask(f"{url}/readyz")[1]["checks"] == {"content": "ok", "store": "ok"}


def children(process: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")


def test_a_long_call_in_hand_is_answered_by_the_worker_that_is_replaced(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path, "--demo", CDSHOOKS_SITE=str(site), CDSHOOKS_MAX_BODY_BYTES="100000000") as (url, process):
        log = Log(process)
        body = ask(f"{url}/demo/requests/hypercalcaemia.json")[1]
        body["prefetch"]["observations"]["entry"] *= 10_000
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(ask(f"{url}/cds-services/{SERVICE}", json.dumps(body).encode())[0]))
        caller.start()
        assert log.reloaded()["result"] == "taken over"
        caller.join(60)
        assert answers == [200]


def test_the_stop_is_heard_during_a_reload(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path, "--demo", CDSHOOKS_SITE=str(site)) as (_, process):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        rest_of(process)
        assert process.returncode == 0


def test_content_that_fails_a_vignette_is_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(_env_file=None, auth="none")  # type: ignore[call-arg]
    monkeypatch.setattr(server, "_log_events", lambda: None)
    before = server.application(settings)
    real = server.judge

    def judged(content: Any) -> Any:
        yield from (verdict.__class__(verdict.pitfall, verdict.vignette, verdict.answer, ("no card",)) for verdict in list(real(content))[:1])

    monkeypatch.setattr(server, "judge", judged)
    with caplog.at_level("INFO", "cdshooks.reload"):
        assert not server.renew(settings)
    assert server.application(settings) is before
    (told,) = (json.loads(record.message) for record in caplog.records)
    assert told["faults"][0].endswith(": no card") and "vignette" in told["faults"][0]


@pytest.mark.parametrize(
    "error",
    [ClientsError(["clients.toml: a is wrong", "clients.toml: b is wrong"]), StoreError("the database cannot be used")],
    ids=["clients", "store"],
)
def test_faulty_clients_and_a_store_that_is_away_are_refused_with_their_text(
    error: ClientsError | StoreError, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise error

    settings = Settings(_env_file=None, auth="none")  # type: ignore[call-arg]
    monkeypatch.setattr(server, "_log_events", lambda: None)
    before = server.application(settings)
    monkeypatch.setattr(server, "clients_of" if isinstance(error, ClientsError) else "store_of", fails)
    with caplog.at_level("INFO", "cdshooks.reload"):
        assert not server.renew(settings)
    assert server.application(settings) is before
    (told,) = (json.loads(record.message) for record in caplog.records)
    assert told["result"] == "refused" and "\n".join(told["faults"]) == str(error)
