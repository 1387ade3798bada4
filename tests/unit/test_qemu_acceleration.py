from pathlib import Path

import pytest

from rehost.errors import ProgramFailed
from rehost.providers.qemu import acceleration
from rehost.providers.qemu.options import Acceleration


@pytest.mark.needs("qemu-system-x86_64")
def test_trial_guest_runs_and_ends():
    acceleration.run_guest("qemu-system-x86_64", Acceleration.TCG)


def program(folder: Path, text: str) -> str:
    file = folder / "qemu"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("exec sleep 60", "did not end within 0.5 s"),
        ("echo Could not access KVM >&2; exit 1", "Could not access KVM"),
        ('for word; do case $word in file:*) : >"${word#file:}";; esac; done', "without a word"),
    ],
)
def test_trial_that_hangs_or_fails_is_said(tmp_path, does, why):
    with pytest.raises(ProgramFailed, match=why):
        acceleration.run_guest(program(tmp_path, does), Acceleration.KVM, limit_s=0.5)


def test_trial_that_fails_means_emulation(tmp_path, monkeypatch):
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(acceleration, "KVM", tmp_path / "kvm")
    probed = acceleration.probe(program(tmp_path, "echo denied >&2; exit 1"), Acceleration.AUTO)
    assert probed.acceleration is Acceleration.TCG
    assert "denied" in probed.why


@pytest.mark.parametrize(
    ("kvm_s", "chosen"), [(0.2, Acceleration.KVM), (1.2, Acceleration.KVM), (5.6, Acceleration.TCG)]
)
def test_kvm_that_is_slower_than_emulation_is_not_used(tmp_path, monkeypatch, kvm_s, chosen):
    (tmp_path / "kvm").touch()
    monkeypatch.setattr(acceleration, "KVM", tmp_path / "kvm")
    took = {Acceleration.KVM: kvm_s, Acceleration.TCG: 0.2}
    monkeypatch.setattr(acceleration, "run_guest", lambda _, tried: took[tried])
    assert acceleration.probe("qemu", Acceleration.AUTO).acceleration is chosen


def test_host_without_kvm_tries_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(acceleration, "KVM", tmp_path / "kvm")
    probed = acceleration.probe("/nonexistent", Acceleration.AUTO)
    assert probed.acceleration is Acceleration.TCG
    assert "no" in probed.why


def test_what_the_administrator_says_is_not_tried():
    assert acceleration.probe("/nonexistent", Acceleration.KVM).acceleration is Acceleration.KVM
