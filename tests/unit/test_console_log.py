import ctypes
import errno
import os

from rehost.providers.qemu import console_log
from rehost.providers.qemu.console_log import GRAIN, KEPT, NAME, PREVIOUS

LINE = b"the kernel has much to say, and says it all day long: .........\n"


def space(folder):
    return (folder / NAME).stat().st_blocks * 512


def test_log_takes_no_more_than_what_is_kept_while_it_is_written(tmp_path):
    said = 0
    with (tmp_path / NAME).open("ab", buffering=0) as log:
        for _ in range(12):
            said += log.write(LINE * (GRAIN // len(LINE)))
            console_log.trim(tmp_path)
            assert space(tmp_path) <= KEPT + 2 * GRAIN
        said += log.write(b"and this was the last")
    assert (tmp_path / NAME).stat().st_size == said
    last = console_log.end(tmp_path, last=1 << 30)
    assert len(last) == KEPT
    assert b"\0" not in last
    assert last.endswith(b"long: .........\nand this was the last")


def test_log_goes_on_where_there_are_no_holes(tmp_path, monkeypatch):
    class NoHoles:
        @staticmethod
        def fallocate(*_):
            ctypes.set_errno(errno.EOPNOTSUPP)
            return -1

    with (tmp_path / NAME).open("ab", buffering=0) as log:
        log.write(os.urandom(GRAIN) * (KEPT // GRAIN + 3))
        with monkeypatch.context() as patched:
            patched.setattr(console_log, "_libc", NoHoles)
            console_log.trim(tmp_path)
        log.write(b"new")
    assert console_log.end(tmp_path, last=99) == b"new"


def test_short_log_is_left_alone(tmp_path):
    (tmp_path / NAME).write_bytes(LINE)
    console_log.trim(tmp_path)
    assert console_log.end(tmp_path, last=1 << 20) == LINE
    assert console_log.end(tmp_path, last=5) == LINE[-5:]


def test_log_before_is_kept_once(tmp_path):
    console_log.trim(tmp_path)
    console_log.begin(tmp_path)
    assert console_log.end(tmp_path, last=9) == b""
    for said in (b"first", b"second"):
        (tmp_path / NAME).write_bytes(said)
        console_log.begin(tmp_path)
    assert (tmp_path / PREVIOUS).read_bytes() == b"second"
    assert not (tmp_path / NAME).exists()
