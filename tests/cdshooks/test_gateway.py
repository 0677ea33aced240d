"""Bodies that are slow, unfinished, endless or too large, over real sockets: they hold nobody up, and each is ended."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .test_server import SERVICE, address_of, ask, rest_of, serving

LIMIT = 40_000
SECONDS = 1.5
HEAD = f"POST /cds-services/{SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
UNFINISHED = {
    "a body with its length": HEAD + "Content-Length: 5000\r\n\r\n" + "{" + 99 * " ",
    "a chunked body": CHUNKED + "5\r\n{    \r\n",
    "a chunk": CHUNKED + "500\r\n{    ",
    "nothing of a body": HEAD + "Content-Length: 5000\r\n\r\n",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("gateway")
    with serving(folder, "--demo", CDSHOOKS_BODY_SECONDS=str(SECONDS), CDSHOOKS_MAX_BODY_BYTES=str(LIMIT)) as (url, _):
        yield url


@contextmanager
def lines(url: str, count: int, sent: str) -> Iterator[list[socket.socket]]:
    """Open connections that each have sent the same."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(address_of(url), timeout=20)) for _ in range(count)]
        for line in opened:
            line.sendall(sent.encode())
        yield opened


def answer(line: socket.socket) -> tuple[int, bytes]:
    """What comes until the other side closes: the status, and the body."""
    received = bytearray()
    while part := line.recv(65536):
        received += part
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def send_until_refused(line: socket.socket, part: bytes, pause: float = 0) -> None:
    for _ in range(10_000):
        try:
            line.sendall(part)
        except OSError:  # broken pipe or reset, as the network has it
            return
        time.sleep(pause)
    pytest.fail("nobody ended it")


def chunks(size: int) -> str:
    return f"{size:x}\r\n{' ' * size}\r\n0\r\n\r\n"


@pytest.mark.parametrize("sent", UNFINISHED.values(), ids=UNFINISHED)
def test_an_unfinished_body_holds_nobody_up_and_is_ended_with_408(url: str, sent: str) -> None:
    with lines(url, 3, sent) as opened:
        began = time.monotonic()
        assert ask(f"{url}/healthz")[0] == 200
        assert ask(f"{url}/cds-services/{SERVICE}", {})[0] == 400
        assert time.monotonic() - began < SECONDS / 2
        for line in opened:
            status, body = answer(line)
            assert status == 408 and json.loads(body)["issue"][0]["code"] == "timeout"
        assert time.monotonic() - began < 2 * SECONDS


def test_a_body_that_drips_is_ended_too(url: str) -> None:
    with lines(url, 1, HEAD + "Content-Length: 5000\r\n\r\n") as (line,):
        began = time.monotonic()
        send_until_refused(line, b" ", pause=0.05)
        assert time.monotonic() - began < 2 * SECONDS


@pytest.mark.parametrize("sent", [UNFINISHED["a body with its length"], UNFINISHED["a chunk"]], ids=["with its length", "chunked"])
def test_a_client_that_goes_away_leaves_nothing_behind(url: str, sent: str) -> None:
    with lines(url, 50, sent):
        pass
    assert ask(f"{url}/healthz")[0] == 200


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 400), (LIMIT + 1, 413)], ids=["just the limit", "one more"])
def test_the_limit_is_the_same_for_chunked_bodies_and_for_those_with_a_length(url: str, size: int, status: int) -> None:
    sized = f"{HEAD}Connection: close\r\nContent-Length: {size}\r\n\r\n{' ' * size}"
    for sent in (CHUNKED + chunks(size), sized):
        with lines(url, 1, sent) as (line,):
            assert answer(line)[0] == status


def test_an_endless_body_is_ended_at_the_limit(url: str) -> None:
    with lines(url, 1, CHUNKED) as (line,):
        send_until_refused(line, b"1000\r\n" + 4096 * b" " + b"\r\n")
    assert ask(f"{url}/healthz")[0] == 200


def test_a_body_too_large_is_refused_before_it_is_sent(url: str) -> None:
    with lines(url, 1, f"{HEAD}Content-Length: {LIMIT + 1}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n") as (line,):
        status, body = answer(line)
        assert status == 413 and json.loads(body)["resourceType"] == "OperationOutcome"


def test_a_client_that_asks_first_is_told_to_go_on(url: str) -> None:
    with lines(url, 1, HEAD + "Content-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n") as (line,):
        assert line.recv(100).startswith(b"HTTP/1.1 100")
        line.sendall(b"{}")
        assert answer(line)[0] == 400


def test_an_unknown_address_is_404_whatever_becomes_of_the_body(url: str) -> None:
    with lines(url, 1, UNFINISHED["a chunk"].replace(SERVICE, "none")) as (line,):
        assert answer(line)[0] == 404


def test_a_header_with_an_underscore_does_not_pass_for_another(url: str) -> None:
    with lines(url, 1, f"{HEAD}Content_Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}") as (line,):
        assert answer(line)[0] == 400, "not 415"


@pytest.mark.parametrize("path", ["/health%7A", "//healthz/?x=%20"])
def test_addresses_may_be_written_in_other_ways(url: str, path: str) -> None:
    with lines(url, 1, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as (line,):
        assert answer(line)[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("sent", [UNFINISHED["a body with its length"], UNFINISHED["a chunk"], HEAD, ""], ids=["length", "chunk", "head", "nothing"])
def test_hundreds_of_unfinished_calls_stop_neither_the_service_nor_its_end(tmp_path: Path, sent: str, workers: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = min(1500, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, many + 200), hard))
    with serving(tmp_path, "--demo", "--workers", workers) as (url, process), lines(url, many, sent):
        began = time.monotonic()
        request = ask(f"{url}/demo/requests/low-yield.json")[1]
        assert ask(f"{url}/cds-services/{SERVICE}", request)[1]["cards"]
        assert ask(f"{url}/healthz")[0] == 200
        assert time.monotonic() - began < 3
        stop(process, within=12)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def stop(process: subprocess.Popen[str], within: float) -> None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    process.stderr.read()  # to its end: nobody else reads the events, and a full pipe would hold up who writes them
    rest_of(process)
    assert process.returncode == 0
    assert time.monotonic() - began < within


def test_who_is_still_sending_at_the_stop_is_told_to_send_again(tmp_path: Path) -> None:
    with serving(tmp_path, "--demo") as (url, process), lines(url, 2, UNFINISHED["a chunk"]) as opened:
        assert ask(f"{url}/healthz")[0] == 200
        stop(process, within=5)
        for line in opened:
            status, body = answer(line)
            assert status == 503 and json.loads(body)["issue"][0]["code"] == "transient"
