import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from rehost.cli import demo_packages
from rehost.demo_errors import PackagesMissing


@pytest.fixture
def host(monkeypatch):
    """Nothing is installed here but the programs that the list has; root or not, as set."""
    programs: list[str] = []
    monkeypatch.setattr(shutil, "which", lambda name, path=None: name in programs or None)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return programs


def test_a_user_is_told_the_one_command(host):
    host += ["mkfs.ext4", "qemu-img", "newuidmap"]
    with pytest.raises(PackagesMissing) as error:
        demo_packages.ensure(Console())
    wanted = "sudo apt-get install --no-install-recommends mmdebstrap qemu-system-x86"
    assert str(error.value).endswith(wanted)


def test_only_users_need_to_become_root_in_a_tree(host, monkeypatch):
    host += ["mmdebstrap", "mkfs.ext4", "qemu-system-x86_64", "qemu-img"]
    assert demo_packages.missing() == ["uidmap"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert demo_packages.missing() == []


def test_where_all_is_there_nothing_is_said(host, capsys):
    host += ["mmdebstrap", "mkfs.ext4", "qemu-system-x86_64", "qemu-img", "newuidmap"]
    demo_packages.ensure(Console())
    assert capsys.readouterr().out == ""
