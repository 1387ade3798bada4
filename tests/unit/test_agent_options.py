import argparse

import pytest

from rehost.agent import options
from rehost.contract.credentials import EnrolmentCode, KeyPair, Token
from rehost.errors import BadConfiguration

SERVICE = ["--service", "https://rehost.example/"]


def parse(*argv):
    parser = argparse.ArgumentParser()
    options.add_registration(parser)
    return options.registration(parser.parse_args([str(a) for a in argv]))


def test_a_code_is_a_credential():
    registration = parse(*SERVICE, "--code", "c")
    assert registration.credentials == EnrolmentCode("c")
    assert registration.service == "https://rehost.example"


def test_secrets_come_from_files(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    assert parse(*SERVICE, "--token-file", file).credentials == Token("s3cret")
    registration = parse(*SERVICE, "--ak", "a", "--sk-file", file, "--project-id", "p")
    assert registration.credentials == KeyPair(access="a", secret="s3cret", project_id="p")


def test_the_secret_key_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("REHOST_SK", "s3cret")
    assert parse(*SERVICE, "--ak", "a").credentials == KeyPair(access="a", secret="s3cret")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--code", "c"], "--service"),
        (SERVICE, "exactly one"),
        ([*SERVICE, "--code", "c", "--ak", "a"], "exactly one"),
        ([*SERVICE, "--ak", "a"], "REHOST_SK"),
        ([*SERVICE, "--token-file", "/nowhere"], "cannot read"),
        ([*SERVICE, "--code", "c", "--name", ""], "--name"),
        ([*SERVICE, "--code", "c", "--pin", "sha1:00"], "pin"),
        ([*SERVICE, "--code", "c", "--pin", "sha256:00", "--ca-file", "/x"], "not both"),
        (["--service", "http://192.0.2.1", "--code", "c"], "clear text"),
    ],
)
def test_what_is_missing_or_wrong_is_named(argv, says, monkeypatch):
    monkeypatch.delenv("REHOST_SK", raising=False)
    with pytest.raises(BadConfiguration, match=says):
        parse(*argv)
