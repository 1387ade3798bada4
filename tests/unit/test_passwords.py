import threading
from dataclasses import dataclass, field

import pytest
from argon2 import PasswordHasher, extract_parameters

from rehost.control import passwords
from rehost.errors import InvalidRequest, TooManyRequests


def test_only_the_password_matches():
    stored = passwords.new_hash("correct horse")
    assert "correct" not in stored
    assert passwords.matches(stored, "correct horse")
    assert not passwords.matches(stored, "correct horsf")
    assert not passwords.matches(stored, "")
    assert not passwords.matches(stored, "\ud800")


@pytest.mark.parametrize("stored", [None, "", "-", "$argon2id$v=19$damaged"])
def test_what_is_no_hash_matches_nothing(stored):
    assert not passwords.matches(stored, "")
    assert not passwords.matches(stored, "-")


@dataclass
class Counting:
    """A hasher that says which hashes it was asked to verify."""

    hasher: PasswordHasher
    verified: list[str] = field(default_factory=list)

    def verify(self, stored: str, password: bytes) -> bool:
        self.verified.append(stored)
        return self.hasher.verify(stored, password)


def test_an_unknown_user_costs_the_same_work_as_a_known_one(monkeypatch):
    stored, nobodys = passwords.new_hash("correct horse"), passwords._nobodys()
    counting = Counting(passwords._HASHER)
    monkeypatch.setattr(passwords, "_HASHER", counting)
    for known in (stored, None):
        assert not passwords.matches(known, "wrong password")
    assert counting.verified == [stored, nobodys]
    assert extract_parameters(nobodys) == extract_parameters(stored)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_has_a_sensible_length(password):
    with pytest.raises(InvalidRequest, match="8 to 1024"):
        passwords.new_hash(password)


def test_generated_passwords_are_taken_and_differ():
    assert passwords.generate() != passwords.generate()
    assert passwords.new_hash(passwords.generate())


def test_a_crowd_is_sent_away_at_once(monkeypatch):
    monkeypatch.setattr(passwords, "_ADMITTED", threading.BoundedSemaphore(1))
    with passwords.admitted(), pytest.raises(TooManyRequests), passwords.admitted():
        pass
    with passwords.admitted():
        pass
