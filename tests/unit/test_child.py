import fcntl
import os
import sys
import time
from pathlib import Path

from rehost.system.child import Child, _group_runs

# Its own child takes long to be gone: the kernel has much memory to take back.
HOLDER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
if os.fork() == 0:
    memory = bytearray(512 << 20)
    memory[::4096] = b"x" * len(memory[::4096])
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(600)
time.sleep(600)
"""


def test_what_a_killed_child_had_started_holds_nothing_any_more(tmp_path):
    path = tmp_path / "file"
    child = Child([sys.executable, "-c", HOLDER, str(path)], environ=os.environ)
    while not list(child.said()):
        time.sleep(0.05)
    child.kill()
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# As a killed QEMU is for a moment: its first thread is gone, another one has its files still.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60, 0)  # exit: of this thread alone
"""


def test_process_whose_first_thread_has_ended_runs_on():
    child = Child([sys.executable, "-c", HEADLESS], environ=os.environ)
    stat = Path(f"/proc/{child._popen.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.05)
    assert _group_runs(child._popen.pid)
    child.kill()
    assert not _group_runs(child._popen.pid)
