"""The second opinion, off the request path: fhir.resources (R4B) on whole resources, for `check-bundle` and for what suggestions would send."""

from __future__ import annotations

import binascii
import importlib
from typing import Any

from pydantic import BaseModel, ValidationError


def check(resource: dict[str, Any]) -> list[str]:
    """Every way in which a resource is not valid FHIR R4B, each as `element: what is wrong`; [] when it is valid.

    Source: HL7 FHIR R4B, as modelled by fhir.resources.
    """
    kind = resource.get("resourceType")
    model = _model(kind) if isinstance(kind, str) else None
    if model is None:
        return [f"resourceType: {kind!r} is no FHIR R4B resource"]
    try:
        model.model_validate(resource)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        return [f"{kind}: {type(error).__name__}"]
    return []


def _model(kind: str) -> type[BaseModel] | None:
    if not kind.isidentifier() or not kind.isascii():
        return None
    try:
        module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    except ImportError:
        return None
    found = getattr(module, kind, None)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None
