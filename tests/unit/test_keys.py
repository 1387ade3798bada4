import stat

import pytest

from rehost.control import keys
from rehost.errors import BadConfiguration
from tests.unit.races import printed_at_once


def test_a_key_is_made_once_and_stays(tmp_path):
    hidden = keys.load(tmp_path).encrypt("secret")
    assert "secret" not in hidden
    assert keys.load(tmp_path).decrypt(hidden) == "secret"
    assert [f.name for f in tmp_path.iterdir()] == [keys.NAME]


def test_only_the_owner_reads_the_key(tmp_path):
    keys.load(tmp_path)
    assert stat.S_IMODE((tmp_path / keys.NAME).stat().st_mode) == 0o600


def test_processes_that_start_at_once_agree_on_one_key(tmp_path):
    program = "keys.load(Path(sys.argv[1])); print(Path(sys.argv[1], keys.NAME).read_text())"
    read = printed_at_once("from rehost.control import keys", program, tmp_path)
    assert len(read) == 1
    assert read == {(tmp_path / keys.NAME).read_text() + "\n"}


def test_who_comes_second_takes_the_first_ones_key(tmp_path):
    first = keys.load(tmp_path)
    keys.create_once(tmp_path / keys.NAME, b"another")
    assert keys.load(tmp_path).decrypt(first.encrypt("x")) == "x"
    assert [f.name for f in tmp_path.iterdir()] == [keys.NAME]


def test_a_damaged_key_is_not_replaced(tmp_path):
    (tmp_path / keys.NAME).write_bytes(b"half")
    with pytest.raises(BadConfiguration, match=keys.NAME):
        keys.load(tmp_path)
    assert (tmp_path / keys.NAME).read_bytes() == b"half"


def test_another_key_does_not_decrypt(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    hidden = keys.load(tmp_path / "a").encrypt("secret")
    with pytest.raises(BadConfiguration, match=keys.NAME):
        keys.load(tmp_path / "b").decrypt(hidden)
