import os
import random
import shutil

import pytest

from rehost.contract.digest import digest
from rehost.contract.frames import BLOCK, Ask, Codec, Data, Discard, Question, Zero
from rehost.contract.transfer import ReceivedDisk
from rehost.receiver.journal import SOMETHING, Journal, Note
from rehost.receiver.target import TargetDisk
from rehost.stream_errors import OutOfRange, ReceiverRunning
from rehost.system.block_io import AlignedBuffer

STORE = bytes(16)
SIZE = 300 * BLOCK
NOTE = Note(0, BLOCK, bytes(range(32)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def opened(path, store=STORE, size=SIZE):
    return Journal(path, store=store, size=size)


def noted(path, notes):
    journal = opened(path)
    journal.expect(notes)
    journal.commit(notes)
    return journal


def test_what_was_committed_is_there_again(path):
    notes = {0: NOTE, 1: Note(4096, 512, bytes(32)), 7: SOMETHING, 299: NOTE}
    noted(path, notes).close()
    journal = opened(path)
    assert {b: journal.note(b) for b in range(300) if journal.note(b)} == notes
    assert not journal.is_empty
    journal.commit({0: None})
    journal.close()
    journal = opened(path)
    assert journal.note(0) is None
    journal.close()


@pytest.mark.parametrize("other", [{"store": b"x" * 16}, {"size": SIZE + BLOCK}])
def test_notes_of_another_disk_are_none(path, other):
    noted(path, {0: NOTE}).close()
    journal = opened(path, **other)
    assert journal.is_empty
    journal.close()


def test_a_digest_is_not_believed_once_its_block_may_have_been_overwritten(path):
    journal = noted(path, {3: NOTE, 63: NOTE, 64: NOTE})
    journal.will_overwrite(3, 3)
    journal.close()  # a crash: no new note
    journal = opened(path)
    # The whole region, for nobody knows which of its blocks it was.
    assert [journal.note(b) for b in (3, 63, 64)] == [SOMETHING, SOMETHING, NOTE]
    journal.remove_marks()
    journal.close()
    journal = opened(path)
    assert [journal.note(b) for b in (3, 63, 64)] == [SOMETHING, SOMETHING, NOTE]
    journal.close()


def test_new_blocks_need_no_mark(path):
    journal = noted(path, {200: NOTE})
    before = path.read_bytes()
    journal.will_overwrite(0, 127)
    assert path.read_bytes() == before
    journal.close()


def test_a_clean_end_lets_new_notes_be_believed(path):
    journal = noted(path, {3: NOTE})
    journal.will_overwrite(3, 3)
    newer = Note(0, BLOCK, b"n" * 32)
    journal.expect({3: newer})
    journal.commit({3: newer})
    journal.remove_marks()
    journal.close()
    journal = opened(path)
    assert journal.note(3) == newer
    journal.close()


@pytest.mark.parametrize("seed", range(30))
def test_torn_and_flipped_entries_are_no_digests(path, seed):
    noted(path, dict.fromkeys(range(300), NOTE)).close()
    draw = random.Random(seed)
    content = bytearray(path.read_bytes())
    first = 2 * 4096
    for _ in range(20):
        at = draw.randrange(first, len(content))
        content[at : at + draw.randrange(1, 40)] = draw.randbytes(draw.randrange(1, 40))
    path.write_bytes(content)
    journal = opened(path)
    for block in range(300):
        assert journal.note(block) in (NOTE, SOMETHING, None)
    journal.close()


@pytest.mark.parametrize("length", [0, 1, 40, 4096, 5000, 9000])
def test_a_journal_that_is_cut_off_starts_anew_or_knows_less(path, length):
    noted(path, dict.fromkeys(range(300), NOTE)).close()
    os.truncate(path, length)
    try:
        journal = opened(path)
    except Exception as e:
        assert "cut off" in str(e)  # noqa: PT017
        return
    assert {journal.note(b) for b in range(300)} <= {NOTE, None, SOMETHING}
    journal.close()


class Target:
    """A disk, with a crash at any moment."""

    def __init__(self, folder):
        self.folder = folder
        self.image = folder / "image"
        with self.image.open("wb") as file:
            file.truncate(70 * BLOCK)
        self.disk = self._open()
        self.buffer = AlignedBuffer(BLOCK)

    def _open(self):
        disk = ReceivedDisk(id=0, name="d", size=70 * BLOCK, path=self.image)
        return TargetDisk(disk, self.folder)

    def crash(self):
        """What a kill leaves: files as they are, and nothing that was only in memory."""
        self.disk._journal.close()
        self.disk._file.close()
        self.disk = self._open()

    def write(self, offset, content):
        fields = Data(disk=0, offset=offset, length=len(content), codec=Codec.RAW,
                      digest=digest(content), payload=len(content))  # fmt: skip
        self.buffer.view[: len(content)] = content
        self.disk.write([fields], self.buffer.view[: len(content)])

    def noted(self, offset, length, question=Question.NOTED):
        ask = Ask(disk=0, question=question, ranges=((offset, length),))
        return next(iter(self.disk.answer(ask, self.buffer)))


@pytest.fixture
def target(tmp_path):
    target = Target(tmp_path)
    yield target
    target.disk.close()


def test_what_is_noted_is_true_whatever_was_written_and_whenever_it_crashed(target):
    """Random writes, zeros, discards, commits and crashes; asked for, the disk is as it says."""
    draw = random.Random(3)
    for _ in range(600):
        block, start = draw.randrange(4) * BLOCK, draw.randrange(2) * 4096
        length = draw.choice([4096, 8192])
        match draw.randrange(10):
            case 0 | 1 | 2 | 3:
                target.write(block + start, draw.randbytes(length))
            case 4:
                target.disk.zero(Zero(disk=0, offset=block, length=draw.randrange(1, 3) * 4096))
            case 5:
                target.disk.discard(Discard(disk=0, offset=block, length=BLOCK))
            case 6 | 7:
                target.disk.commit()
            case 8:
                target.crash()
            case 9:
                said = target.noted(block + start, length)
                read = target.noted(block + start, length, Question.READ)
                assert said in (None, read)


def test_nothing_is_noted_before_it_is_committed(target):
    target.write(0, b"x" * 4096)
    target.crash()
    assert target.noted(0, 4096) is None
    target.write(0, b"x" * 4096)
    target.disk.commit()
    target.crash()
    assert target.noted(0, 4096) == digest(b"x" * 4096)


def test_a_block_that_was_overwritten_and_not_committed_is_read_again(target):
    target.write(0, b"x" * 4096)
    target.disk.commit()
    target.write(0, b"y" * 4096)
    target.crash()
    assert target.noted(0, 4096) == digest(b"y" * 4096)


def test_one_process_has_a_disk(target, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ReceiverRunning):
        TargetDisk(target.disk.disk, other)


def test_only_whole_sectors_within_the_disk(target):
    for offset, length in ((1, 512), (0, 511), (70 * BLOCK, 512), (69 * BLOCK, 2 * BLOCK)):
        with pytest.raises(OutOfRange):
            target.disk.check_range(offset, length)


def test_a_copied_image_is_another_disk(target, tmp_path):
    target.write(0, b"x" * 4096)
    target.disk.commit()
    target.disk.close()
    copy = tmp_path / "copy"
    shutil.copyfile(target.image, copy)
    target.image.unlink()
    copy.rename(target.image)
    target.disk = target._open()
    assert target.noted(0, 4096) is None
