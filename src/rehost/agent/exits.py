"""How the agent ends. Scripts and the systemd unit rely on these numbers."""

from enum import IntEnum
from http import HTTPStatus

from rehost import errors


class Exit(IntEnum):
    OK = 0, "done"
    FAILED = 1, "failed"
    USAGE = 2, "wrong usage"
    NOT_PERMITTED = 4, "the service refused the code, token or signature"
    UNREACHABLE = 5, "service unreachable or not trusted"
    GONE = 10, "the service no longer knows this machine"
    OTHER_MACHINE = 11, "the stored credential is another machine's"
    NOT_REGISTERED = 12, "not registered yet"
    INTERRUPTED = 130, "interrupted"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> "Exit":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


# To start again would end the same way: systemd is told not to.
FINAL = (Exit.USAGE, Exit.GONE, Exit.OTHER_MACHINE, Exit.NOT_REGISTERED)

_OF_CLASS: dict[type[errors.Error], Exit] = {
    errors.SourceGone: Exit.GONE,
    errors.OtherMachine: Exit.OTHER_MACHINE,
    errors.NotRegistered: Exit.NOT_REGISTERED,
    errors.BadConfiguration: Exit.USAGE,
}
_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: Exit.NOT_PERMITTED,
    HTTPStatus.FORBIDDEN: Exit.NOT_PERMITTED,
    HTTPStatus.SERVICE_UNAVAILABLE: Exit.UNREACHABLE,
}


def exit_of(error: errors.Error) -> Exit:
    return _OF_CLASS.get(type(error)) or _OF_STATUS.get(error.status, Exit.FAILED)
