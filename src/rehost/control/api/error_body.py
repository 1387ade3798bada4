"""The body of every failed request, as sms-v3 documents it."""

from dataclasses import dataclass
from typing import Any

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
            "encoded_authorization_message": "",
            "error_param": [error.sentence],
            "details": [{"error_code": error.code, "error_msg": error.sentence}],
        }
    return body
