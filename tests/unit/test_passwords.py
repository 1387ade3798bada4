import threading
import time

import pytest

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


def test_an_unknown_user_takes_as_long_as_a_known_one():
    stored = passwords.new_hash("correct horse")
    passwords.matches(None, "warm up")

    def fastest(known: str | None) -> float:
        took = []
        for _ in range(3):
            began = time.perf_counter()
            passwords.matches(known, "wrong password")
            took.append(time.perf_counter() - began)
        return min(took)

    assert 0.3 < fastest(None) / fastest(stored) < 3


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_has_a_sensible_length(password):
    with pytest.raises(InvalidRequest, match="8 to 1024"):
        passwords.new_hash(password)


def test_generated_passwords_are_taken_and_differ():
    assert passwords.generate() != passwords.generate()
    assert passwords.new_hash(passwords.generate())


def test_a_crowd_is_sent_away_at_once(monkeypatch):
    monkeypatch.setattr(passwords, "_ADMITTED", threading.BoundedSemaphore(1))
    with passwords._ADMITTED, pytest.raises(TooManyRequests):
        passwords.matches(None, "x")
    assert not passwords.matches(None, "x")
