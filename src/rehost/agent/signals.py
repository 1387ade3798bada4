"""The signals of the agent: TERM ends it at once, HUP makes it look at the machine anew."""

import os
import select
import signal
from types import FrameType
from typing import Self


class Signals:
    """Owns the handlers of the process while it is entered. For the main thread.

    TERM ends the process wherever it is: nothing that it does needs an end of its own, since files
    are replaced whole, and the next agent asks the service again.
    """

    def __init__(self) -> None:
        self._hangup = False
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, _terminate)
        signal.signal(signal.SIGHUP, self._hang_up)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.close(self._woken)
        os.close(self._wake)

    def wait(self, seconds: float) -> None:
        """Sleep; a signal ends it early, also one that came just before."""
        if select.select([self._woken], [], [], seconds)[0]:
            os.read(self._woken, 4096)

    def take_hangup(self) -> bool:
        """Whether HUP came since this was asked last."""
        came, self._hangup = self._hangup, False
        return came

    def _hang_up(self, _number: int, _frame: FrameType | None) -> None:
        self._hangup = True


def _terminate(_number: int, _frame: FrameType | None) -> None:
    # Not SystemExit: threads that wait for a hanging tool would hold it up.
    os._exit(0)
