"""The agent's child process that sends disks: `python -m rehost.agent.sender [FOLDER]`.

FOLDER has packages that it needs, if they came with the agent.

It speaks lines of JSON, as stages/replicate/job.py says, and ends when its input does. It is a
process of its own so that it can be as nice as can be, and so that whatever happens to it, the
agent goes on.
"""

import contextlib
import functools
import gc
import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from rehost.contract.codec import encode
from rehost.errors import BadConfiguration, Error
from rehost.model.task import Priority
from rehost.stream_errors import PackagesMissing, SenderBroken
from rehost.system import log as logs
from rehost.system.block_io import keep_freed_memory
from rehost.system.niceness import IDLE, give_way, stand_back_no_more
from rehost.system.process import end_with_parent

if TYPE_CHECKING:
    from rehost.stages.replicate.control import Control
    from rehost.stages.replicate.sender import Sender

log = logging.getLogger("rehost.agent.sender")

PROGRESS_S = 0.5


def main() -> int:
    logs.to(sys.stderr)
    end_with_parent()
    out = _Out(sys.stdout)
    try:
        out.tell("result", _send(sys.stdin, out))
    except Error as e:
        out.tell("error", {"code": e.code, "message": str(e), "retryable": e.retryable})
        return 1
    except Exception as e:
        # The outermost place of this process: whatever it is, the task is to say it.
        log.exception("nobody foresaw this")
        said = f"{type(e).__name__}: {e}; the log of the agent has more"
        out.tell("error", {"code": SenderBroken.code, "message": said, "retryable": False})
        return 1
    return 0


class _Out:
    """Lines to the agent, from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def tell(self, what: str, value: object) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):
            print(json.dumps({what: value}), file=self._stream, flush=True)


def _send(lines: TextIO, out: _Out) -> object:
    gc.disable()  # of what modules define, nothing is garbage
    try:
        from rehost.agent.copying import Copying
        from rehost.stages.replicate import job
        from rehost.stages.replicate.control import Control
    except ModuleNotFoundError as e:
        raise PackagesMissing(
            f"this Python has no module {e.name}; copying disks needs it: "
            "python3 -m pip install blake3 backports.zstd"
        ) from e
    gc.freeze()
    gc.enable()

    keep_freed_memory()
    wanted = job.parse_job(_first(lines))
    _stand(wanted.options.priority)
    control = Control(limit=wanted.limit)
    if wanted.skip:
        control.skip()
    obey = functools.partial(_obey, lines, control, wanted.peer.task_id)
    threading.Thread(target=obey, daemon=True).start()
    with job.sending(wanted, control) as (sender, sources):
        done = threading.Event()
        teller = threading.Thread(target=_tell, args=(sender, out, done))
        teller.start()
        try:
            sender.connect()
            return Copying(wanted, sender, sources, out.tell).run()
        finally:
            done.set()
            teller.join()
            out.tell("progress", encode(sender.progress()))


def _stand(priority: Priority) -> None:
    """Threads that are started later stand where this one does."""
    match priority:
        case Priority.LOW:
            give_way(IDLE)
        case Priority.STANDARD:
            give_way()
        case Priority.HIGH:  # more than the agent, whose niceness it has
            stand_back_no_more()


def _first(lines: TextIO) -> Mapping[str, Any]:
    try:
        content = json.loads(lines.readline())
    except ValueError as e:
        raise BadConfiguration(f"the job is no JSON: {e}") from e
    if not isinstance(content, dict):
        raise BadConfiguration("the job is no object")
    return content


def _tell(sender: "Sender", out: _Out, done: threading.Event) -> None:
    while not done.wait(PROGRESS_S):
        out.tell("progress", encode(sender.progress()))


def _obey(lines: TextIO, control: "Control", task_id: str) -> None:
    """Commands of the agent; without an agent there is nobody to send for."""
    from rehost.stages.replicate.job import parse_peer

    for line in lines:
        command = json.loads(line)
        if "limit" in command:
            control.set_limit(command["limit"])
        if "pause" in command:
            (control.pause if command["pause"] else control.resume)()
        if "peer" in command:
            control.move(parse_peer(command["peer"], task_id=task_id))
        if "point" in command:
            control.ask_for_point(command["point"])
        if "taken" in command:
            control.have_taken(command["taken"])
        if command.get("skip"):
            control.skip()
        if command.get("finish"):
            # Somebody waits for the end: also for that of the pass that is under way.
            control.finish(verify=bool(command.get("verify")))
            stand_back_no_more()
        if command.get("stop"):
            break
    control.stop()


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:]
    status = main()
    logging.shutdown()
    # All is told and closed: to take the rest apart takes longer, and a thread may still read.
    os._exit(status)
