import fcntl
import os
import sys
import time

from rehost.system.child import Child

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
