import pytest

from rehost.control.proxies import client, networks
from rehost.errors import BadConfiguration

NEAR, FAR, CALLER = "127.0.0.1", "10.1.2.3", "203.0.113.9"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "who"),
    [
        (NEAR, CALLER, CALLER),
        (NEAR, f"198.51.100.7, {CALLER}", CALLER),
        (NEAR, f"198.51.100.7,{CALLER}, {FAR}", CALLER),
        (NEAR, "", NEAR),
        (NEAR, "unknown", NEAR),
        (NEAR, f"{CALLER}, unknown", NEAR),
        (NEAR, "x" * 300, NEAR),
        (NEAR, FAR, FAR),
        (NEAR, " 2001:db8::7 ", "2001:db8::7"),
        (f"::ffff:{NEAR}", CALLER, CALLER),
        ("192.0.2.1", CALLER, "192.0.2.1"),
        ("", CALLER, ""),
    ],
)
def test_only_trusted_proxies_say_who_calls(peer, forwarded_for, who):
    assert client(peer, forwarded_for, networks(f"{NEAR}, 10.0.0.0/8")) == who


def test_without_proxies_nobody_says_so():
    assert client(NEAR, CALLER, networks("")) == NEAR


@pytest.mark.parametrize("wrong", ["localhost", "10.0.0.5/8", "10.0.0.5;10.0.0.6"])
def test_what_is_no_network_is_said(wrong):
    with pytest.raises(BadConfiguration, match="trusted_proxies"):
        networks(wrong)
