import hashlib
import shlex

import pytest

from rehost.agent import options
from rehost.agent.__main__ import _parser
from rehost.control.enrolment import install_line
from rehost.control.services import AgentBundle

DATA = b"#!/usr/bin/env python3\n"
BUNDLE = AgentBundle(data=DATA, digest=hashlib.sha256(DATA).hexdigest())
PIN = "ab" * 32


def agent_arguments(line: str) -> list[str]:
    return ["install", *shlex.split(line.split(" rehost-agent install ")[1])]


@pytest.mark.parametrize(
    ("service", "pin"),
    [
        ("https://rehost.example:8780", None),
        ("https://10.0.0.1:8780", PIN),
        ("http://127.0.0.1:8780", None),
        ("http://[::1]:8780", None),
        ("http://10.0.0.1:8780", None),
        ("http://10.0.0.1:8780", PIN),  # behind a proxy that ends TLS
    ],
)
def test_the_agent_takes_the_line(service, pin):
    given = _parser().parse_args(agent_arguments(install_line(service, "K7QX", BUNDLE, pin=pin)))
    wanted = options.registration(given)
    assert wanted.service == service
    assert wanted.trust.pin == (f"sha256:{PIN}" if pin and service.startswith("https") else None)


@pytest.mark.parametrize(
    "service", ["https://h:1/$(reboot)", "https://h:1/;reboot", "https://h:1/a b"]
)
def test_nothing_in_the_url_reaches_the_shell(service):
    words = shlex.split(install_line(service, "K7QX", BUNDLE, pin=None))
    assert f"{service}/agent/rehost-agent.pyz" in words
    assert service in words


def test_an_unknown_certificate_is_let_pass_only_with_a_pin():
    assert "--insecure " in install_line("https://h:1", "K7QX", BUNDLE, pin=PIN)
    assert "--insecure" not in install_line("https://h:1", "K7QX", BUNDLE, pin=None)


def test_the_digest_is_checked_before_the_program_runs():
    _, check, install = install_line("https://h:1", "K7QX", BUNDLE, pin=None).split(" && ")
    assert BUNDLE.digest in check
    assert check.endswith("| sha256sum -c")
    assert "python3 rehost-agent" in install
