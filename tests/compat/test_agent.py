"""The agent's loop on a machine that changes, against the real service."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from rehost.agent.registration import Registration, register
from rehost.agent.run import Agent, Pace
from rehost.agent.state import State
from rehost.contract.credentials import EnrolmentCode, Token
from rehost.contract.retry import Backoff
from rehost.contract.trust import Trust
from rehost.errors import ApiError, CommandMissing, FileMissing, OtherMachine, SourceGone
from rehost.system.host import Space

GIB = 1 << 30


class Machine:
    """A host made of a few files: one disk, one network interface."""

    def __init__(self, number: int, *, ip: str = "192.0.2.10", disk: int = 10 * GIB) -> None:
        self.files = {
            "/proc/sys/kernel/hostname": "web-1",
            "/etc/machine-id": "0123456789abcdef0123456789abcdef",
            "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"',
            "/sys/class/dmi/id/product_uuid": f"4c4c4544-0051-3010-8058-{number:012x}",
            "/sys/block/vda/dev": "254:0",
            "/sys/class/net/eth0/address": "02:00:00:00:00:01",
            "/sys/class/net/eth0/device/vendor": "0x1af4",
            "/sys/class/net/eth0/ifindex": "2",
            "/sys/class/net/eth0/type": "1",
            "/proc/self/mountinfo": "22 1 254:0 / / rw - ext4 /dev/vda rw\n",
        }
        self.ip = ip
        self.grow(disk)

    def grow(self, size: int) -> None:
        self.files["/sys/block/vda/size"] = str(size // 512)
        self.files["/proc/partitions"] = f" 254 0 {size // 1024} vda\n"

    def run(self, argv, **_):
        if argv[0] == "ip":
            return f"2: eth0 inet {self.ip}/24 brd 192.0.2.255 scope global eth0\n"
        raise CommandMissing(argv[0])

    def which(self, program):
        return None

    def read(self, path, *, offset=0, size=1 << 20):
        if path not in self.files:
            raise FileMissing(path)
        return self.files[path].encode()[offset : offset + size]

    def grep(self, path, pattern):
        raise FileMissing(path)

    def entries(self, folder):
        below = folder.rstrip("/") + "/"
        found = {p.removeprefix(below).split("/")[0] for p in self.files if p.startswith(below)}
        if not found:
            raise FileMissing(folder)
        return tuple(sorted(found))

    def resolve(self, path):
        if not any(p == path or p.startswith(path + "/") for p in self.files):
            raise FileMissing(path)
        return path

    def space(self, mount_point):
        return Space(block_size=4096, blocks=1000, free=500, available=500, files=100)

    def packed(self, archive, patterns):
        raise FileMissing(archive)

    def can_bpf(self):
        return False


class Enough(Exception):
    pass


class Script:
    """Stands in for the signals: at each wait the next step of a test happens."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def wait(self, seconds):
        if not self.steps:
            raise Enough
        self.steps.pop(0)()

    def take_hangup(self):
        return False


@pytest.fixture(scope="module")
def service(make_service):
    return make_service("--poll-interval", "1")


@pytest.fixture(scope="module")
def operator(service):
    return service.token()


@pytest.fixture
def show(service, operator):
    def show(source_id):
        return service.call("GET", f"/v3/sources/{source_id}", X_Auth_Token=operator)[2]

    return show


@pytest.fixture
def enrol(service, tmp_path):
    """Register a machine with a code of its own; returns its state."""
    made: list[State] = []

    def enrol(machine):
        with service.house() as house:
            code = house.code(house.project("default"))
        state = State(tmp_path / f"state-{len(made)}")
        made.append(state)
        wanted = Registration(service=service.url, credentials=EnrolmentCode(code), trust=Trust())
        register(machine, state, wanted)
        return state

    return enrol


def signals(*steps) -> Any:
    return Script(*steps)


def live(machine, state, *steps, pace=None):
    pace = pace or Pace(backoff=Backoff(base_s=0.01))
    agent = Agent(machine, state, signals(*steps), pace)
    with pytest.raises(Enough):
        agent.run()


def test_a_registered_machine_is_shown_and_connected(enrol, show):
    state = enrol(Machine(1))
    source_id = state.load().source_id
    live(Machine(1), state)
    shown = show(source_id)
    assert shown["name"] == "web-1"
    assert shown["connected"] is True
    assert shown["disks"][0]["size"] == 10 * GIB
    assert shown["checks"]


def test_a_code_is_good_once(enrol, service, tmp_path):
    with service.house() as house:
        code = EnrolmentCode(house.code(house.project("default")))
    wanted = Registration(service=service.url, credentials=code, trust=Trust())
    register(Machine(2), State(tmp_path / "a"), wanted)
    with pytest.raises(ApiError) as refused:
        register(Machine(3), State(tmp_path / "b"), wanted)
    assert refused.value.status == 401
    assert not State(tmp_path / "b").file.exists()


def test_an_operators_token_registers_too(service, operator, tmp_path):
    wanted = Registration(service=service.url, credentials=Token(operator), trust=Trust())
    state = State(tmp_path / "state")
    enrolment = register(Machine(4), state, wanted)
    assert enrolment.token != operator
    live(Machine(4), state)


def test_the_same_machine_keeps_its_id_and_a_clone_gets_its_own(enrol):
    first, again, clone = (enrol(Machine(uuid)) for uuid in (5, 5, 6))
    assert first.load().source_id == again.load().source_id
    assert first.load().token != again.load().token
    assert clone.load().source_id != first.load().source_id


def test_a_clone_does_not_speak_for_its_original(enrol):
    state = enrol(Machine(7))
    with pytest.raises(OtherMachine, match="another machine"):
        live(Machine(8), state)


def test_the_service_recognises_a_clone_that_the_agent_does_not(enrol):
    state = enrol(Machine(9))
    enrolment = state.load()
    forgetful = replace(enrolment.identity, dmi_uuid=None)
    state.save(replace(enrolment, identity=forgetful))
    with pytest.raises(OtherMachine, match="another machine"):
        live(Machine(10), state)


def test_a_disk_that_grows_is_told_at_the_next_poll(enrol, show):
    machine = Machine(11)
    state = enrol(machine)
    live(machine, state, lambda: machine.grow(20 * GIB))
    assert show(state.load().source_id)["disks"][0]["size"] == 20 * GIB


def test_another_address_is_told_when_the_agent_looks(enrol, show):
    machine = Machine(12)
    state = enrol(machine)
    live(
        machine,
        state,
        lambda: setattr(machine, "ip", "192.0.2.99"),
        pace=Pace(look_s=0, backoff=Backoff(base_s=0.01)),
    )
    assert show(state.load().source_id)["ip"] == "192.0.2.99"


def test_a_deleted_source_ends_the_agent(enrol, service, operator):
    machine = Machine(13)
    state = enrol(machine)
    source_id = state.load().source_id

    def delete():
        status, _, _ = service.call("DELETE", f"/v3/sources/{source_id}", X_Auth_Token=operator)
        assert status in (200, 204)

    with pytest.raises(SourceGone, match="register again"):
        live(machine, state, delete, *[lambda: None] * 5)


def test_outlives_a_restart_of_the_service(enrol, service, show):
    machine = Machine(14)
    state = enrol(machine)

    def grow_in_the_meantime():
        service.stop()
        machine.grow(30 * GIB)

    live(machine, state, grow_in_the_meantime, lambda: None, service.start, lambda: None)
    assert show(state.load().source_id)["disks"][0]["size"] == 30 * GIB


def test_an_agent_reaches_its_own_source_only(enrol, service):
    mine, other = enrol(Machine(15)).load(), enrol(Machine(16)).load()
    path = f"/v3/sources/{other.source_id}/command"
    status, _, _ = service.call("GET", path, X_Auth_Token=mine.token)
    assert status == 403
