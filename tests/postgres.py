"""A real PostgreSQL for tests that need one: started by the tests themselves, as a user who is not root, on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .cdshooks.test_server import free_port

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]) if file.parts[-3].isdigit() else 0)


def binaries() -> Path:
    """The folder of the newest PostgreSQL here; skips visibly where there is none."""
    found = shutil.which("initdb") or (str(BINARIES[-1]) if BINARIES else None)
    if found is None:
        pytest.skip("no PostgreSQL is installed (initdb): the SQLite store passes the same tests, PostgreSQL itself is not shown")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL refuses to run as root, and without runuser there is no other user to run it as")
    return Path(found).resolve().parent


def unprivileged(*command: str | Path) -> list[str]:
    """A command as somebody who is not root: PostgreSQL refuses root."""
    return [*(["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []), *map(str, command)]


class Postgres:
    """A server that may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.folder, self.port = binaries(), folder, free_port()
        self.run("initdb", "-D", folder / "data", "-A", "trust", "-U", "cdshooks", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://cdshooks:pa55word@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")

    def run(self, name: str, *options: str | Path) -> None:
        done = subprocess.run(unprivileged(self.bin / name, *options), cwd="/", capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, empty."""
    binaries()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not below pytest's folder, which nobody else may enter
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        server = Postgres(folder)
        server.start()
        try:
            yield server
        finally:
            if (folder / "data/postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
