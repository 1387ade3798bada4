import platform
import subprocess
import sys
from pathlib import Path

import pytest

from rehost.system import niceness

PROGRAM = """
import contextlib, os, threading, time
from pathlib import Path
from rehost.system.niceness import set_niceness
other = threading.Thread(target=time.sleep, args=(5,), daemon=True)
other.start()
set_niceness(7)
print({os.getpriority(os.PRIO_PROCESS, int(t.name)) for t in Path("/proc/self/task").iterdir()})
with contextlib.suppress(FileNotFoundError):
    print(*Path("/proc/self/autogroup").read_text().split()[-1:])
os._exit(0)
"""


def autogroup() -> str:
    """What the kernel says of this session; "" where it does not share CPUs among sessions, or this
    process is in a control group of its own."""
    file = Path("/proc/self/autogroup")
    return file.read_text() if file.exists() else ""


def done(*, own_session: bool) -> list[str]:
    argv = [sys.executable, "-c", PROGRAM]
    return subprocess.check_output(argv, text=True, start_new_session=own_session).split()


def test_all_threads_stand_back():
    assert done(own_session=True)[0] == "{7}"


@pytest.mark.skipif(not autogroup(), reason="this kernel shares no CPUs among sessions")
def test_the_own_session_stands_back_and_no_other():
    assert done(own_session=True) == ["{7}", "7"]
    before = autogroup()
    done(own_session=False)
    assert autogroup() == before


IO_PROGRAM = """
import os, threading, time
from pathlib import Path
from rehost.system import niceness
def started():
    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
def all_have():
    threads = [int(t.name) for t in Path("/proc/self/task").iterdir()]
    return {niceness.io_priority(t) & 0xFFFF for t in threads}, len(threads)
started()
niceness.give_way()
started()
print(*all_have())
with niceness.like_others():
    started()
    print(*all_have())
print(*all_have())
os._exit(0)
"""


@pytest.mark.skipif(platform.machine() not in niceness._IOPRIO_SET, reason="other system calls")
def test_threads_stand_back_for_the_reads_of_others_until_it_matters():
    argv = [sys.executable, "-c", IO_PROGRAM]
    lowest, other, again = subprocess.check_output(argv, text=True).splitlines()
    assert lowest == f"{{{niceness.BEST_EFFORT_LOWEST}}} 3"
    assert str(niceness.BEST_EFFORT_LOWEST) not in other
    assert other.endswith("4")
    assert again == f"{{{niceness.BEST_EFFORT_LOWEST}}} 4"
