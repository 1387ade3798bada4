"""A disk whose writes nothing tracks is compared, and at last while its filesystem is frozen."""

from pathlib import Path

import pytest

from rehost.cutover_errors import CutTooLong
from rehost.model.task import Priority
from rehost.stages import cutover
from rehost.stages.replicate.sender import Options, Sender
from rehost.stages.replicate.source import Source
from rehost.stages.replicate.sync import Sync
from rehost.storage.used.disk import used_ranges
from tests.blockdev.test_cutover import is_frozen
from tests.replicate.rig import Receiver
from tests.replicate.test_killed_sender import expect_a_moment_of
from tests.replicate.test_running_source import SIZE, source, writing

pytestmark = pytest.mark.needs("root", "loop", "ext4")
__all__ = ["source"]  # the fixture


def test_a_cut_without_a_tracker_is_of_one_moment(source: tuple[str, Path], tmp_path: Path):
    device, folder = source
    target = tmp_path / "target.img"
    with Receiver(tmp_path / "receiver", target, SIZE) as receiver, writing(folder) as writer:
        disk = Source(0, device, Path(device))
        options = Options(priority=Priority.HIGH)
        with Sender(receiver.peer, [disk], options=options) as sender:
            sender.connect()
            sync = Sync(sender, {0: disk}, {0: lambda: None}, lambda path: used_ranges(str(path)))
            sync.first_pass()
            sync.settle()
            with pytest.raises(CutTooLong):
                cutover.cut([device], sync.hold_last, before=lambda: sync.prepare_last(0))
            assert not is_frozen(folder)
            before = max(dict(writer.durable))
            cut = cutover.cut([device], sync.hold_last, before=sync.prepare_last, limit_s=60)
            sync.send_last()
        disk.close()
    assert cut.frozen == (str(folder),)
    expect_a_moment_of(writer, target, tmp_path / "look", since=before)
