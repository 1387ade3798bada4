import shlex

import pytest

from rehost.agent import options
from rehost.agent.__main__ import _parser
from rehost.control.enrolment import install_line, offline_line

DIGEST = "cd" * 32
PIN = "ab" * 32


def agent_arguments(line: str) -> list[str]:
    return [
        "install",
        *shlex.split(line.split(" sh rehost-agent.run ")[1].split(" && ", maxsplit=1)[0]),
    ]


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
    for line in (
        install_line(service, "K7QX", DIGEST, pin=pin),
        offline_line(service, "K7QX", pin=pin),
    ):
        wanted = options.registration(_parser().parse_args(agent_arguments(line)))
        assert wanted.service == service
        pinned = f"sha256:{PIN}" if pin and service.startswith("https") else None
        assert wanted.trust.pin == pinned


@pytest.mark.parametrize(
    "service", ["https://h:1/$(reboot)", "https://h:1/;reboot", "https://h:1/a b"]
)
def test_nothing_in_the_url_reaches_the_shell(service):
    words = shlex.split(install_line(service, "K7QX", DIGEST, pin=None))
    assert f"{service}/agent/rehost-agent.run" in words
    assert service in words


def test_an_unknown_certificate_is_let_pass_only_with_a_pin():
    for option in ("--insecure ", "--no-check-certificate "):
        assert option in install_line("https://h:1", "K7QX", DIGEST, pin=PIN)
        assert option not in install_line("https://h:1", "K7QX", DIGEST, pin=None)


def test_the_digest_is_checked_before_the_program_runs():
    fetch, check, install, remove = install_line("https://h:1", "K7QX", DIGEST, pin=None).split(
        " && "
    )
    assert fetch.startswith("{ curl ")
    assert "|| wget " in fetch
    assert DIGEST in check
    assert check.endswith("| sha256sum -c")
    assert " sh rehost-agent.run " in install
    assert remove == "rm rehost-agent.run"
