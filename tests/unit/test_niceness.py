import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, threading, time
from pathlib import Path
from rehost.system.niceness import set_niceness
other = threading.Thread(target=time.sleep, args=(5,), daemon=True)
other.start()
set_niceness(7)
print({os.getpriority(os.PRIO_PROCESS, int(t.name)) for t in Path("/proc/self/task").iterdir()})
print(Path("/proc/self/autogroup").read_text().split()[-1])
os._exit(0)
"""


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel has no groups of sessions"
)
def test_all_threads_and_the_session_stand_back():
    done = subprocess.check_output(
        [sys.executable, "-c", PROGRAM], text=True, start_new_session=True
    )
    assert done.split() == ["{7}", "7"]
    own = Path("/proc/self/autogroup").read_text()
    done = subprocess.check_output([sys.executable, "-c", PROGRAM], text=True)
    assert Path("/proc/self/autogroup").read_text() == own
