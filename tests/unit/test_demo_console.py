"""Typing on a console whose other end is a thread that answers as a shell would."""

import socket
import threading

import pytest

from rehost.cli.demo_console import Console
from rehost.demo_errors import GuestCommandFailed, GuestSilent


@pytest.fixture
def ends():
    ours, machine = socket.socketpair()
    with ours, machine:
        yield Console(ours), machine


def answer(machine, *said: bytes) -> threading.Thread:
    """Say one after the other, each once something was typed."""

    def run():
        for each in said:
            machine.recv(4096)
            machine.sendall(each)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_what_follows_is_left_for_the_next_call(ends):
    console, machine = ends
    machine.sendall(b"first\nsecond\n")
    console.wait_for(r"^first\n", limit_s=5)
    assert console.wait_for(r"^(\w+)\n", limit_s=5)[1] == b"second"


def test_colours_and_cursor_movements_are_not_text(ends):
    console, machine = ends
    machine.sendall(b"\x1b[0;32m  OK\x1b[")  # in two parts
    threading.Timer(0.1, machine.sendall, (b"0m done\r\n",)).start()
    console.wait_for(r"^  OK done\n", limit_s=5)


def test_a_command_gives_what_it_said(ends):
    console, machine = ends
    answer(machine, b"one\ntwo\n end-1-0\n")
    assert console.run("list", limit_s=5) == "one\ntwo\n"


def test_a_command_that_fails_is_an_error_that_says_what_it_said(ends):
    console, machine = ends
    answer(machine, b"no such thing\n end-1-3\n")
    with pytest.raises(GuestCommandFailed, match=r"`look` ended with status 3.*\n.*no such thing"):
        console.run("look", limit_s=5)


def test_silence_is_an_error_that_says_what_was_said_before(ends):
    console, machine = ends
    machine.sendall(b"grub rescue> ")
    with pytest.raises(GuestSilent, match=r"a login prompt .*\ngrub rescue>"):
        console.log_in(limit_s=0.1)


def test_a_machine_that_is_gone_is_silent(ends):
    console, machine = ends
    machine.close()
    with pytest.raises(GuestSilent):
        console.wait_for("anything", limit_s=60)


def test_a_prompt_counts_although_the_kernel_speaks_behind_it(ends):
    console, machine = ends
    machine.sendall(b"[  OK  ] Reached target\n\nold-server login: [   63.1] kvm: enabled\n")
    thread = answer(machine, b"root@old-server:~# ", b"stty ...\nready\n")
    heard: list[str] = []
    console.log_in(limit_s=5, heard=heard.append)
    thread.join(5)
    assert heard[0] == "[  OK  ] Reached target"
