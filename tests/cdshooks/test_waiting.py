"""Calls that wait for a FHIR server that hangs, on the real server: they hold nobody up, are bounded, and are answered in the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cdshooks.web.gateway import MOST_WAITING
from cdshooks.web.waiting import MustWait
from tests.conformance.service import call, searchset
from tests.fhir_script import Reply, scripted

from .test_server import address_of, ask, serving

SERVICE = "metabolic-workup-patient-view"


def _full() -> dict[str, Any]:
    return call(prefetch=dict.fromkeys(("patient", "observations", "conditions", "procedures", "reports", "service-requests")))


@pytest.mark.slow
def test_a_hanging_fhir_server_holds_up_nobody_but_those_who_need_it(tmp_path: Path) -> None:
    released = threading.Event()
    lacking = call(prefetch={"conditions": None})
    with scripted(Condition=Reply(200, searchset(), before=released.wait)) as fhir, ThreadPoolExecutor(40) as pool:
        lacking = _full() | {"fhirServer": fhir.base}
        del lacking["prefetch"]["conditions"]
        settings = {"CDSHOOKS_FHIR_SERVERS": fhir.base, "CDSHOOKS_BUDGET_MS": "120000"}
        with serving(tmp_path, "--demo", **settings) as (url, _):
            waiting = [pool.submit(ask, f"{url}/cds-services/{SERVICE}", lacking) for _ in range(40)]
            while fhir.kinds().count("Condition") < MOST_WAITING:
                time.sleep(0.01)
            for _ in range(10):
                assert ask(f"{url}/cds-services/{SERVICE}", _full()) == (200, {"cards": []})
                assert ask(f"{url}/healthz")[0] == 200
            assert not any(future.done() for future in waiting)
            assert fhir.kinds().count("Condition") == MOST_WAITING
            released.set()
            assert [future.result()[0] for future in waiting] == [200] * 40


@pytest.mark.slow
def test_a_call_that_waited_is_told_once_and_with_all_its_time(tmp_path: Path) -> None:
    lacking = call(prefetch={"conditions": None})
    with scripted() as fhir, serving(tmp_path, "--demo", CDSHOOKS_FHIR_SERVERS=fhir.base) as (url, process):
        assert ask(f"{url}/cds-services/{SERVICE}", lacking | {"fhirServer": fhir.base})[0] == 200
        process.terminate()
        assert process.stderr is not None
        process.wait(timeout=30)
        (event,) = (json.loads(line) for line in process.stderr.read().splitlines() if line.startswith("{"))
        assert (event["event"], event["status"]) == ("hook", 200) and sum(event["fhir"].values()) == len(fhir.asked)
        assert list(event["stages"]) == ["parse", "prefetch", "answer", "encode"] and sum(event["stages"].values()) <= event["ms"] + 0.1
        assert event["bytes"] == len(json.dumps(lacking | {"fhirServer": fhir.base}))


@pytest.mark.slow
def test_a_client_that_does_not_wait_for_its_answer_disturbs_nobody(tmp_path: Path) -> None:
    released = threading.Event()
    with scripted(Condition=Reply(200, searchset(), before=released.wait)) as fhir:
        lacking = _full() | {"fhirServer": fhir.base}
        del lacking["prefetch"]["conditions"]
        raw = json.dumps(lacking).encode()
        head = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
        with serving(tmp_path, "--demo", CDSHOOKS_FHIR_SERVERS=fhir.base, CDSHOOKS_BUDGET_MS="120000") as (url, process):
            with socket.create_connection(address_of(url), timeout=20) as line:
                line.sendall(head.encode() + raw)
                while not fhir.asked:
                    time.sleep(0.01)
            released.set()
            for _ in range(5):
                assert ask(f"{url}/cds-services/{SERVICE}", lacking) == (200, {"cards": []})
            process.terminate()
            assert process.wait(timeout=30) == 0 and process.stderr is not None
            assert [line for line in process.stderr.read().splitlines() if not line.startswith("{")] == []


def test_work_that_fails_fails_in_the_view() -> None:
    def fail() -> None:
        raise KeyError("a bug")

    (waited,) = MustWait(fail, {}).waited().values()
    assert isinstance(waited.error, KeyError)
