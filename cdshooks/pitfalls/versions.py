"""Versions of pitfalls: what a pitfall says or decides cannot change without a higher version; `content/versions.toml` remembers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

FILE = "versions.toml"
HEAD = """\
# Each pitfall's version, with the digest of all that it says and decides (vignettes apart), and when it was released and last revised.
# Written by `cdshooks lock`, never by hand. A pitfall that changed without a higher version is a fault of `cdshooks check`.
"""


def digest_of(document: Mapping[str, Any]) -> str:
    """A short name for what a pitfall's file says and decides; vignettes and the version itself are left out."""
    said = {key: value for key, value in document.items() if key not in ("vignette", "version")}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def version_faults(document: Mapping[str, Any], lock: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong between a pitfall's file and its line of the lock."""
    known = lock.get(document["id"])
    if known is None:
        yield f"is not in content/{FILE}: run `cdshooks lock`"
    elif document["version"] < known["version"]:
        yield f"version {document['version']} is lower than {known['version']}, which was released on {known['released']}"
    elif digest_of(document) != known["digest"]:
        raised = document["version"] > known["version"]
        yield f"changed since version {known['version']}: " + ("run `cdshooks lock`" if raised else "raise its version, then run `cdshooks lock`")
    elif document["version"] != known["version"]:
        yield f"has version {document['version']}, but says the same as version {known['version']}"


def locked(documents: Mapping[str, Mapping[str, Any]], lock: Mapping[str, Any], today: date) -> str:
    """The text of the lock for these pitfalls (id -> document). Unchanged ones keep their line. Raises ValueError, naming each pitfall
    that changed without a higher version."""
    stuck = [name for name, document in documents.items() if name in lock and _changed(document, lock[name]) and not _raised(document, lock[name])]
    if stuck:
        raise ValueError(f"changed without a higher version: {', '.join(sorted(stuck))}")
    lines = [_line(name, document, lock.get(name), today) for name, document in sorted(documents.items())]
    return HEAD + "\n".join(lines) + "\n"


def _changed(document: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return digest_of(document) != str(known["digest"])


def _raised(document: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return bool(document["version"] > known["version"])


def _line(name: str, document: Mapping[str, Any], known: Mapping[str, Any] | None, today: date) -> str:
    released = known["released"] if known else today
    revised = known["revised"] if known and not _changed(document, known) else today
    return f'{name} = {{ version = {document["version"]}, digest = "{digest_of(document)}", released = {released}, revised = {revised} }}'
