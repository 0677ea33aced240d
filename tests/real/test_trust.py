"""JWTs through the real server: two workers, a key server over https, SQLite and PostgreSQL; what waits for another machine holds nobody up."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import keyserver, trust
from tests.cdshooks.test_server import rest_of, serving, start
from tests.conformance.service import call
from tests.postgres import postgres
from tests.trust import claims, jwk, jwks, signed

SERVICE = trust.SERVICE


class Keys:
    """A key server: what it holds, how often it was asked, and whether it answers."""

    def __init__(self) -> None:
        self.document, self.asked, self.answers = trust.ORDINARY, 0, threading.Event()
        self.answers.set()

    def __call__(self, handler: Any) -> None:
        self.asked += 1
        self.answers.wait(30)
        keyserver.answer(handler, 200, self.document)


@contextmanager
def service(folder: Path, keys: Keys, *options: str, **settings: str) -> Iterator[tuple[str, str, Any]]:
    """The service with a client whose keys are fetched, and one whose keys lie in a file: its URL, the first's `jku`, and the process."""
    pem = keyserver.certificate(folder)
    with keyserver.serving(pem, keys) as jku:
        (folder / "south.json").write_bytes(trust.ORDINARY)
        (folder / "clients.toml").write_text(
            f'[[client]]\nname = "north"\niss = "{trust.ISS}"\njku = "{jku}"\naudiences = ["both hosts"]\n'
            '[[client]]\nname = "south"\niss = "https://south.example"\njwks_file = "south.json"\n'
        )
        with serving(folder, *options, CDSHOOKS_CLIENTS="clients.toml", **keyserver.environment(pem), **settings) as (url, process):
            yield url, jku, process


def jwt(url: str, jti: str, *, jku: Any = ..., number: int = 0, **members: Any) -> str:
    now = int(time.time())
    told = {"aud": f"{url}/cds-services/{SERVICE}", "iat": now, "exp": now + 300, "jti": jti}
    return signed(claims(**told | members), "P-384", number, jku=jku, kid=f"ec-{number}" if number else "ec-1")


def ask(url: str, token: str) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url}/cds-services/{SERVICE}", json.dumps(call()).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_J01_J12_J20_two_workers_fetch_the_keys_take_each_jwt_once_and_log_none(tmp_path: Path) -> None:
    keys = Keys()
    with service(tmp_path, keys, "--workers", "2") as (url, jku, process):
        sent = [jwt(url, f"j-{number}", jku=jku) for number in range(12)]
        with ThreadPoolExecutor(8) as pool:
            answers = [status for status, _ in pool.map(lambda token: ask(url, token), [token for token in sent for _ in range(4)])]
        assert (answers.count(200), answers.count(401)) == (12, 36)
        assert [answers[at : at + 4].count(200) for at in range(0, 48, 4)] == [1] * 12
        assert keys.asked <= 2
        assert ask(url, jwt(url, "other", jku="https://evil.example/jwks.json"))[0] == 401 and keys.asked <= 2
        process.terminate()
        _, log = rest_of(process)
        events = [json.loads(line) for line in log.splitlines()]
        assert [event.get("refused") for event in events].count("jti") == 36
        assert {event.get("client") or event.get("claimed") for event in events} == {"north"}
        assert not any(part in log for token in sent for part in token.split(".")[1:])


def test_J14_a_key_that_is_rotated_in_before_the_first_call_of_a_worker(tmp_path: Path) -> None:
    keys = Keys()
    keys.document = jwks(jwk("P-384", "ec-2", 2))
    with service(tmp_path, keys) as (url, jku, _):
        assert ask(url, jwt(url, "a", jku=jku, number=2))[0] == 200
        assert ask(url, jwt(url, "b", jku=jku))[0] == 401  # the old key is gone


def test_a_key_server_that_hangs_holds_up_no_other_client(tmp_path: Path) -> None:
    keys = Keys()
    keys.answers.clear()
    with service(tmp_path, keys) as (url, jku, _), ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(ask, url, jwt(url, "north", jku=jku))
        for number in range(20):
            assert ask(url, jwt(url, f"s-{number}", iss="https://south.example"))[0] == 200
            if number == 10:
                assert not waiting.done() or keys.asked == 0
        keys.answers.set()
        assert waiting.result(30)[0] in (200, 401)  # 401 if this took longer than a call is let wait


@pytest.mark.database
def test_two_hosts_share_postgresql_and_without_it_nobody_is_let_in(tmp_path: Path) -> None:
    hosts = [tmp_path / "one", tmp_path / "two"]
    for host in hosts:
        host.mkdir()
    with postgres() as database:
        there = {"CDSHOOKS_DATABASE_URL": database.url}
        with service(hosts[0], Keys(), **there) as (one, _, process), service(hosts[1], Keys(), **there) as (two, _, _):
            known = [jwt("", f"p-{number}", aud="both hosts") for number in range(4)]
            assert [ask(url, known[0])[0] for url in (one, two, one)] == [200, 401, 401]
            assert [ask(url, known[1])[0] for url in (two, one)] == [200, 401]
            database.stop()
            assert ask(one, known[2])[0] == 503 and ask(two, known[0])[0] == 503
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(f"{one}/readyz", timeout=30)
            with urllib.request.urlopen(f"{one}/healthz", timeout=30) as alive:
                assert alive.status == 200
            database.start()
            assert ask(two, known[2])[0] == 200 and ask(one, known[2])[0] == 401 and ask(one, known[1])[0] == 401
            process.terminate()
            assert "pa55word" not in "".join(rest_of(process))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"CDSHOOKS_CLIENTS": "clients.toml"}, "clients.toml: client[0] 'a'.jku: is missing"),
        ({"CDSHOOKS_DATABASE_URL": "sqlite:////none/such/folder/x.db"}, "the database sqlite:////none/such/folder/x.db cannot be used"),
        ({"CDSHOOKS_DATABASE_URL": "postgresql://u:pa55word@127.0.0.1:1/d"}, "the database postgresql+psycopg://u:***@127.0.0.1:1/d cannot be used"),
    ],
    ids=["a faulty clients file", "no folder", "no PostgreSQL"],
)
def test_what_would_let_nobody_in_stops_the_start(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    (tmp_path / "clients.toml").write_text('[[client]]\nname = "a"\niss = "x:y"\n')
    output, errors = start(tmp_path, **settings).communicate(timeout=60)
    assert told in errors and "pa55word" not in errors and "Traceback" not in errors and output == ""
