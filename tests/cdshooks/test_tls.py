"""TLS by the server itself, with a certificate that a test made; and what is told when it cannot be used."""

from __future__ import annotations

import json
import shlex
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest
import trustme

from .test_server import free_port, start


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The files of a certificate, its key, and its authority."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key, root = (tmp_path / name for name in ("server.pem", "server.key", "root.pem"))
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    return certificate, key, root


def test_D18_discovery_and_calls_over_https(tmp_path: Path, pem: tuple[Path, Path, Path]) -> None:
    certificate, key, root = pem
    port = free_port()
    process = start(tmp_path, "--demo", "--port", str(port), "--tls-certificate", str(certificate), "--tls-key", str(key))
    assert process.stdout is not None and process.stderr is not None
    try:
        url = f"https://127.0.0.1:{port}"
        assert process.stdout.readline() == f"CDS Hooks discovery: {url}/cds-services\n"
        with urllib.request.urlopen(f"{url}/cds-services", timeout=20, context=ssl.create_default_context(cafile=str(root))) as reply:
            assert json.load(reply)["services"] and reply.headers["Strict-Transport-Security"]
        curl = next(line for line in process.stdout if "curl" in line).strip()
        if shutil.which("curl") is not None:
            # The line trusts the certificate itself, which is right for one that signed itself; this one was signed by another.
            curl = curl.replace(shlex.quote(str(certificate)), shlex.quote(str(root)))
            assert json.loads(subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30, check=True).stdout)["cards"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_key_of_another_certificate_ends_the_start(tmp_path: Path, pem: tuple[Path, Path, Path]) -> None:
    certificate, key, _ = pem
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(key)
    process = start(tmp_path, "--demo", "--port", str(free_port()), "--tls-certificate", str(certificate), "--tls-key", str(key))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1 and "--tls-key" in errors and "server.key" in errors and "Traceback" not in errors


def test_a_certificate_without_its_key_ends_the_start(tmp_path: Path, pem: tuple[Path, Path, Path]) -> None:
    process = start(tmp_path, "--demo", "--tls-certificate", str(pem[0]))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and "--tls-key" in errors and "Traceback" not in errors
