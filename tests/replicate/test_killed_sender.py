"""Senders that are killed while their source is written: the next one makes it good."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from tests.blockdev.test_cutover import is_frozen, wait_for
from tests.replicate.child import SenderChild
from tests.replicate.rig import MIB, Receiver
from tests.replicate.test_running_source import SIZE, Writer, files_of, run, source, writing

pytestmark = pytest.mark.needs("root", "loop", "ext4", "bpf")
__all__ = ["source"]  # the fixture


def expect_a_moment_of(writer: Writer, target: Path, look: Path, *, since: str) -> None:
    """Every file up to the last of them is there, as it was written; `since` is among them."""
    run("e2fsck", "-fn", target)
    arrived = files_of(target, look)
    known = dict(writer.durable)
    whole = {name for name, digest in arrived.items() if known.get(name) == digest}
    last = max(whole)
    assert last >= since
    # At most two: one that was not durable yet, and one that was being deleted.
    assert len(arrived.keys() - whole) <= 2
    first = f"file-{max(0, int(last[5:]) - 399):05}"
    assert {name for name in known if first < name <= last} <= whole


def test_the_next_sender_finds_what_the_killed_one_did_not_tell(
    source: tuple[str, Path], tmp_path: Path
):
    device, folder = source
    (folder / "old").write_bytes(os.urandom(60 * MIB))
    target, draw = tmp_path / "target.img", random.Random()
    with Receiver(tmp_path / "receiver", target, SIZE) as receiver, writing(folder) as writer:
        for _ in range(4):
            with SenderChild(receiver, device, syncing=True, limit=50e6) as child:
                child.wait_for(lambda said: "trackers" in said)
                with child.heard:
                    child.heard.wait_for(lambda: child.has_ended, draw.uniform(0.1, 3))
                child.process.kill()
                assert child.process.wait() == -signal.SIGKILL
            # Nobody follows what is written now.
            written = len(writer.durable)
            while len(writer.durable) < written + 20:
                writer.join(0.02)
        with SenderChild(receiver, device, syncing=True, verify=True) as child:
            child.wait_for(lambda said: said.get("phase") == "syncing")
            before = max(dict(writer.durable))
            child.tell({"finish": True})
            result = child.result()
    assert child.differed == []
    assert result["cut"]["frozen"] == [str(folder)]
    expect_a_moment_of(writer, target, tmp_path / "look", since=before)


HOOK = """
[[hook]]
name = "database"
pre = ["/bin/sh", "-c", "echo before >> {log}"]
post = ["/bin/sh", "-c", "echo after >> {log}"]
"""


def test_a_sender_that_is_killed_during_the_freeze_leaves_nothing_frozen(
    source: tuple[str, Path], tmp_path: Path
):
    device, folder = source
    log, hooks, target = tmp_path / "log", tmp_path / "hooks.toml", tmp_path / "target.img"
    hooks.write_text(HOOK.format(log=log))
    hooks.chmod(0o600)
    with Receiver(tmp_path / "receiver", target, SIZE) as receiver, writing(folder) as writer:
        for _ in range(20):
            log.write_text("")
            with SenderChild(receiver, device, hooks=str(hooks)) as child:
                if is_killed_when_frozen(child, folder):
                    break
        else:
            pytest.fail("it was never seen to freeze anything")
        expect_thawed(folder, writer)
        wait_for(lambda: log.read_text().split() == ["before", "after"])  # by the guard
        log.write_text("")
        before = max(dict(writer.durable))
        with SenderChild(receiver, device, hooks=str(hooks), verify=True) as child:
            result = child.result()
    assert child.differed == []
    assert result["cut"]["failed_hooks"] == []
    assert log.read_text().split() == ["before", "after"]
    expect_a_moment_of(writer, target, tmp_path / "look", since=before)


def expect_thawed(folder: Path, writer: Writer) -> None:
    count = len(writer.durable)
    try:
        wait_for(lambda: len(writer.durable) > count + 20)
    except AssertionError:
        run("fsfreeze", "--unfreeze", folder)  # so that it can be unmounted
        raise


def is_killed_when_frozen(child: SenderChild, folder: Path) -> bool:
    """Stop it now and then to look; False if it was done before it was seen to freeze."""
    pid = child.process.pid
    status = Path(f"/proc/{pid}/status")
    while not child.has_ended:
        # Its memory is locked from shortly before the freeze on.
        if re.search(r"VmLck:\s+[1-9]", status.read_text()):
            os.kill(pid, signal.SIGSTOP)
            if is_frozen(folder):
                os.kill(pid, signal.SIGKILL)
                return True
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.002)
    return False


def test_a_hook_that_fails_ends_it_with_its_code_and_nothing_frozen(
    source: tuple[str, Path], tmp_path: Path
):
    device, _ = source
    hooks = tmp_path / "hooks.toml"
    hooks.write_text('[[hook]]\nname = "database"\npre = ["/bin/false"]\n')
    hooks.chmod(0o600)
    with (
        Receiver(tmp_path / "receiver", tmp_path / "target.img", SIZE) as receiver,
        SenderChild(receiver, device, hooks=str(hooks)) as child,
    ):
        child.wait_for(lambda _: False)
    assert child.said["error"]["code"] == "REHOST.7072"
    assert not child.said["error"]["retryable"]
    assert "'database' failed before the cut" in child.said["error"]["message"]
