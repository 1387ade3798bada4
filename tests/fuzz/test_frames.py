"""Whatever bytes come: a frame that says the same again, BadFrame or VersionRefused; never more."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.contract import frames
from rehost.contract.frames import DATA_SIZE, HEAD_SIZE, MAX_SMALL, Type
from rehost.stream_errors import BadFrame, VersionRefused
from tests.unit.test_frames import vectors

RECORDED = list(vectors().values())


def receive(content: bytes) -> None:
    """As a channel does it: the head, then as much as it says, if that much came."""
    head = frames.parse_head(content[:HEAD_SIZE].ljust(HEAD_SIZE, b"\0"))
    body = content[HEAD_SIZE : HEAD_SIZE + head.length]
    if head.type is Type.DATA:
        assert head.length <= DATA_SIZE + frames.BLOCK
        data = frames.parse_data(head, body[:DATA_SIZE].ljust(DATA_SIZE, b"\0"))
        out = bytearray(frames.DATA_OVERHEAD)
        frames.put_data(memoryview(out), data)
        assert frames.parse_data(frames.parse_head(out[:HEAD_SIZE]), out[HEAD_SIZE:]) == data
        return
    assert head.length <= MAX_SMALL
    frame = frames.parse(head, body.ljust(head.length, b"\0"))
    again = frames.encode(frame)
    assert frames.parse(frames.parse_head(again[:HEAD_SIZE]), again[HEAD_SIZE:]) == frame


def damaged(content: bytes, changes: "list[tuple[int, int]]") -> bytes:
    out = bytearray(content)
    for at, value in changes:
        out[at % len(out)] = value
    return bytes(out)


changes = st.lists(st.tuples(st.integers(0, 4096), st.integers(0, 255)), max_size=6)


@given(st.binary(max_size=400) | st.builds(damaged, st.sampled_from(RECORDED), changes))
def test_any_bytes(content):
    with suppress(BadFrame, VersionRefused):
        receive(content)


ATHERIS = """
import sys
import atheris
with atheris.instrument_imports(include=["rehost.contract.frames"]):
    from rehost.contract import frames
from rehost.stream_errors import BadFrame, VersionRefused
from tests.fuzz.test_frames import receive

def one(content):
    try:
        receive(content)
    except (BadFrame, VersionRefused):
        pass

atheris.Setup(sys.argv, one)
atheris.Fuzz()
"""


@pytest.mark.parametrize("runs", [20_000, pytest.param(3_000_000, marks=pytest.mark.slow)])
def test_any_bytes_that_reach_new_code(tmp_path, runs):
    """libFuzzer looks for bytes that take other branches, from the recorded frames on."""
    pytest.importorskip("atheris", reason="atheris is for CPython before 3.14 on x86-64")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, content in enumerate(RECORDED):
        (corpus / str(number)).write_bytes(content)
    argv = [sys.executable, "-c", ATHERIS, f"-runs={runs}", "-max_len=4096",
            f"-artifact_prefix={tmp_path}/", str(corpus)]  # fmt: skip
    done = subprocess.run(
        argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=1200,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done" in done.stderr
