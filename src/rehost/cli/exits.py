"""How a command ends: its exit code, and one sentence instead of a traceback."""

import os
import sys
from collections.abc import Callable
from enum import IntEnum
from http import HTTPStatus

from rehost.errors import ApiError, Error


class Exit(IntEnum):
    """Every exit code of `rehost`; scripts rely on them."""

    OK = 0, "done"
    FAILED = 1, "failed"
    USAGE = 2, "wrong usage"
    NOT_FOUND = 3, "not found"
    NOT_PERMITTED = 4, "not permitted or not logged in"
    UNREACHABLE = 5, "service unreachable"
    INTERRUPTED = 130, "interrupted"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "Exit":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


OF_STATUS = {
    HTTPStatus.MULTIPLE_CHOICES: Exit.USAGE,
    HTTPStatus.NOT_FOUND: Exit.NOT_FOUND,
    HTTPStatus.UNAUTHORIZED: Exit.NOT_PERMITTED,
    HTTPStatus.FORBIDDEN: Exit.NOT_PERMITTED,
    HTTPStatus.SERVICE_UNAVAILABLE: Exit.UNREACHABLE,
}


def guard(command: Callable[[], object]) -> int:
    """Run the whole program; return its exit code. With REHOST_DEBUG set, tracebacks come out."""
    try:
        command()
    except SystemExit as e:
        if isinstance(e.__context__, BrokenPipeError):  # typer makes a failure of it
            return _reader_left()
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as e:
        if os.environ.get("REHOST_DEBUG"):
            raise
        return _explain(e)
    return Exit.OK


def _explain(e: Exception) -> Exit:
    if isinstance(e, Error):
        print(f"rehost: {e}{_advice(e)}", file=sys.stderr)
        return OF_STATUS.get(e.status, Exit.FAILED)
    print(
        f"rehost: unexpected {type(e).__name__}: {e}; REHOST_DEBUG=1 shows where",
        file=sys.stderr,
    )
    return Exit.FAILED


def _advice(e: Error) -> str:
    """What an operator can do that the service's sentence does not say."""
    if not isinstance(e, ApiError):
        return ""
    if e.status is HTTPStatus.UNAUTHORIZED:
        return "; log in again with: rehost login"
    if e.status >= HTTPStatus.INTERNAL_SERVER_ERROR and e.request_id not in str(e):
        return f" (request {e.request_id}; the service's log says more)"
    return ""


def _reader_left() -> Exit:
    """`rehost … | head` is no failure; without this, Python complains again as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK
