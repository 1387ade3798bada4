import socket
from pathlib import Path

import pytest

from rehost.control.config import ServeConfig, load, override
from rehost.control.provider import boot_probe, open_provider
from rehost.errors import BadConfiguration


def test_file_then_variables_then_options(tmp_path):
    file = tmp_path / "rehost.toml"
    file.write_text('port = 1\nhost = "192.0.2.1"\ninsecure_http = true\n')
    config = load(file, {"REHOST_PORT": "2", "REHOST_DATA": "/srv/rehost"})
    assert (config.host, config.port, config.insecure_http) == ("192.0.2.1", 2, True)
    assert config.data == Path("/srv/rehost")
    assert override(config, port=3, host=None).port == 3
    assert override(config, port=3, host=None).host == "192.0.2.1"


@pytest.mark.parametrize(
    ("content", "named"),
    [("prot = 1", "prot"), ('port = "x"', "port"), ("port = ", "rehost.toml"),
     ('insecure_http = "maybe"', "insecure_http")],
)  # fmt: skip
def test_what_cannot_be_used_is_named(tmp_path, content, named):
    file = tmp_path / "rehost.toml"
    file.write_text(content)
    with pytest.raises(BadConfiguration, match=named):
        load(file, {})


def test_no_file(tmp_path):
    with pytest.raises(BadConfiguration, match="nowhere"):
        load(tmp_path / "nowhere.toml", {})
    assert load(None, {}) == ServeConfig()


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 0), ("port", 65536), ("workers", 0), ("poll_interval", 0), ("body_limit", -5)],
)
def test_a_number_out_of_range_is_named(name, value):
    with pytest.raises(BadConfiguration, match=name):
        override(ServeConfig(), **{name: value})


@pytest.mark.parametrize(
    ("option", "known"), [("qemu_acceleration", "auto, kvm, tcg"), ("qemu_chipset", "q35, pc")]
)
def test_word_that_qemu_does_not_know_is_refused_at_the_start(option, known):
    with pytest.raises(BadConfiguration, match=f"{option}.*none of {known}"):
        open_provider(override(ServeConfig(), **{option: "x"}))


def test_probe_that_is_none_is_said(tmp_path):
    assert boot_probe(ServeConfig(data=tmp_path)) is None
    with pytest.raises(BadConfiguration, match=r"boot_probe.*tcp:PORT"):
        boot_probe(ServeConfig(data=tmp_path, boot_probe="80"))


@pytest.mark.parametrize(
    ("text", "ports"),
    [("", range(1)), ("7000-7099", range(7000, 7100)), ("8899", range(8899, 8900))],
)
def test_ports_of_receivers(text, ports):
    assert ServeConfig(receiver_ports=text).receiver_range == ports


@pytest.mark.parametrize("text", ["7099-7000", "0-9", "65535-65536", "a-b", "7000-", "-7", "1,2"])
def test_ports_that_are_none_are_refused(text):
    with pytest.raises(BadConfiguration, match="receiver_ports"):
        _ = ServeConfig(receiver_ports=text).receiver_range


@pytest.mark.parametrize(
    ("host", "public_url", "place"),
    [
        ("0.0.0.0", "", "0.0.0.0"),
        ("::", "https://rehost.example", "::"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "http://localhost:1", "127.0.0.1"),
        ("127.0.0.1", "https://rehost.example", "::"),
    ],
)
def test_receivers_are_where_the_service_is_or_everywhere_behind_a_proxy(
    host, public_url, place, monkeypatch
):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    assert ServeConfig(host=host, public_url=public_url).receiver_host == place


def test_receivers_of_a_host_without_ipv6_are_everywhere_by_ipv4(monkeypatch):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert ServeConfig(public_url="https://rehost.example").receiver_host == "0.0.0.0"
