"""The body of every failed request, as sms-v3 documents it."""

import base64
from dataclasses import dataclass
from typing import Any

import msgspec

from rehost import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    error_code: str
    error_msg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody:
    """The last three fields come with 403 only."""

    error_code: str
    error_msg: str
    encoded_authorization_message: str = ""
    error_param: tuple[str, ...] = ()
    details: tuple[ErrorDetail, ...] = ()


def error_body(error: errors.Error) -> dict[str, Any]:
    body: dict[str, Any] = {"error_code": error.code, "error_msg": str(error)}
    if isinstance(error, errors.PermissionDenied):
        body |= {
            "encoded_authorization_message": _encoded(error),
            "error_param": [error.sentence],
            "details": [{"error_code": error.code, "error_msg": error.sentence}],
        }
    return body


def _encoded(error: errors.PermissionDenied) -> str:
    """What was refused, for support to decode: base64 of JSON, no secret in it."""
    return base64.b64encode(msgspec.json.encode(error.details)).decode()
