"""What goes wrong between the two ends of a block stream.

Both the agent and the receiver have this file: an error that one end tells the other in an error
frame is raised there as the same class. To add one: a class here.
"""

from http import HTTPStatus

from rehost.errors import Error


class StreamError(Error):
    """What the other end said has a code that this version does not know."""

    code = "REHOST.7000"
    status = HTTPStatus.BAD_GATEWAY


class BadFrame(StreamError):
    """The other end sent bytes that are no frame of the stream, or one that has no place there."""

    code = "REHOST.7001"


class VersionRefused(StreamError):
    """The two ends speak different versions of the stream; update the older one."""

    code = "REHOST.7002"


class WrongTask(StreamError):
    """The other end's certificate, or its greeting, is of another task."""

    code = "REHOST.7003"


class SessionSuperseded(StreamError):
    """A newer sender of the same task has taken over; this one must end."""

    code = "REHOST.7004"


class TooManyConnections(StreamError):
    """The receiver has as many connections as it serves; one must end first."""

    code = "REHOST.7005"
    retryable = True


class OutOfRange(StreamError):
    """A disk or place that the receiver does not have was named; nothing was written."""

    code = "REHOST.7006"


class DigestWrong(StreamError):
    """A block arrived other than it was sent. It was not written, and is sent again."""

    code = "REHOST.7007"
    retryable = True


class TargetFull(StreamError):
    """No space is left where the target's disks are. Make space and start the task again: what
    has arrived stays."""

    code = "REHOST.7008"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class TargetFailed(StreamError):
    """A target disk, or the notes of what it holds, cannot be read or written."""

    code = "REHOST.7009"


class ReceiverRunning(StreamError):
    """Another receiver already writes these disks; there can be one."""

    code = "REHOST.7010"
    status = HTTPStatus.CONFLICT


class ConnectionLost(StreamError):
    """The connection between agent and receiver broke, or nothing moved on it for too long."""

    code = "REHOST.7011"
    retryable = True


class ReceiverUnreachable(StreamError):
    """The agent cannot connect to the receiver; check firewalls and routes between the two."""

    code = "REHOST.7012"
    retryable = True


class PeerNotTrusted(StreamError):
    """The other end has no certificate of this task, or TLS cannot be agreed on."""

    code = "REHOST.7013"


class SourceUnreadable(StreamError):
    """A range of a source disk cannot be read. Copy what can be read with the policy "skip"."""

    code = "REHOST.7014"


class SourceUnavailable(StreamError):
    """A disk of the task is not on the source any more, or cannot be opened."""

    code = "REHOST.7015"


class TargetTooSmall(StreamError):
    """A target disk is missing, or smaller than the source's."""

    code = "REHOST.7016"


class TransferStopped(StreamError):
    """The transfer was stopped, as asked; what has arrived stays, and it can be started again."""

    code = "REHOST.7017"


class PackagesMissing(StreamError):
    """This Python lacks a package that copying disks needs; the message names it."""

    code = "REHOST.7018"


class TargetDiffers(StreamError):
    """Ranges of the target still differ from the source after they were sent again."""

    code = "REHOST.7019"


class TargetReplaced(StreamError):
    """The target's disks were made anew while they were written; all has to be compared again:
    start the task again."""

    code = "REHOST.7020"


class SourceResized(StreamError):
    """A disk of the source has become larger or smaller while it was copied."""

    code = "REHOST.7087"


class DiskNotReported(StreamError):
    """A task names a disk that this machine has not reported as its own; nothing of it is read."""

    code = "REHOST.7030"


class SenderDied(StreamError):
    """The agent's process that copies disks was killed; it is started again, and goes on."""

    code = "REHOST.7031"
    retryable = True


class SenderBroken(StreamError):
    """The agent's process that copies disks failed in a way nobody foresaw; the message names it.
    What has arrived stays. Collect the agent's log (`rehost tasks logs`), and start again."""

    code = "REHOST.7033"


class SenderFailed(StreamError):
    """The agent's process that copies disks gave up, for a reason with a code of its own."""

    code = "REHOST.7032"

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


def from_code(code: str, message: str) -> StreamError:
    """The error that the other end told."""
    kind = next((c for c in StreamError.__subclasses__() if c.code == code), StreamError)
    return kind(message if kind is not StreamError else f"{code}: {message}")


class NoPortFree(Error):
    """All ports that receivers may listen at are taken; the task waits until one is free."""

    code = "REHOST.7116"
    retryable = True

    def __init__(self, host: str, first: int, last: int) -> None:
        super().__init__(
            f"of {host}, no port from {first} to {last} is free; give the service more of them "
            "with --receiver-ports, or wait until another task has ended"
        )
