from pathlib import Path

import pytest

from rehost.errors import CommandMissing, FileMissing
from rehost.system.host import LiveHost
from rehost.system.recording import RecordedHost, RecordingHost


def replayed(host: RecordingHost, folder: Path) -> RecordedHost:
    host.save(folder)
    return RecordedHost(folder)


@pytest.mark.parametrize(
    "data",
    [b"", b"a\n", b"a\nb", b"\n\n", b"\ta\n", b"x 1\n! a\n", bytes(4096), b"\0\1" * 999, b"\xff"],
)
def test_content_comes_back_as_it_was(tmp_path, data):
    file = tmp_path / "file"
    file.write_bytes(data)
    host = RecordingHost(LiveHost())
    host.read(str(file))
    assert replayed(host, tmp_path).read(str(file)) == data


def test_failures_come_back_with_class_and_message(tmp_path):
    host = RecordingHost(LiveHost())
    with pytest.raises(CommandMissing):
        host.run(["no-such-program", "--all"])
    again = replayed(host, tmp_path)
    with pytest.raises(CommandMissing, match="no-such-program is not installed"):
        again.run(["no-such-program", "--all"])


def test_what_was_asked_twice_is_answered_in_order(tmp_path):
    file = tmp_path / "count"
    host = RecordingHost(LiveHost())
    for text in ("1", "2"):
        file.write_text(text)
        host.read(str(file))
    again = replayed(host, tmp_path)
    assert [again.read(str(file)) for _ in range(3)] == [b"1", b"2", b"2"]


def test_what_is_not_recorded_does_not_exist(tmp_path):
    host = replayed(RecordingHost(LiveHost()), tmp_path)
    with pytest.raises(FileMissing):
        host.read("/etc/passwd")
    assert host.which("sh") is None


def test_secrets_are_left_out(tmp_path):
    (tmp_path / "cmdline").write_text("ro password=abc rd.luks.key=def,x quiet\n")
    (tmp_path / "luks").write_bytes(b"LUKS\xba\xbe\0\1" + b"\7" * 592)
    host = RecordingHost(LiveHost())
    host.read(str(tmp_path / "cmdline"))
    host.read(str(tmp_path / "luks"))
    again = replayed(host, tmp_path)
    assert again.read(str(tmp_path / "cmdline")) == (
        b"ro password=REDACTED rd.luks.key=REDACTED,x quiet\n"
    )
    assert again.read(str(tmp_path / "luks")).count(7) == 40
