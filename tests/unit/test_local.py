import pytest

from rehost.control.config import ServeConfig
from rehost.control.local import open_local
from rehost.errors import BadConfiguration


def opened(data):
    with open_local(ServeConfig(data=data, database=f"sqlite:///{data}/rehost.db"), create=True):
        pass


def test_a_data_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(BadConfiguration, match=r"cannot make the data folder .*: Not a directory"):
        opened(tmp_path / "file" / "data")


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(BadConfiguration, match="as the service's user"):
        opened(tmp_path)
