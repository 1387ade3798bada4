"""The demo's source machine starts from its own boot loader, and works."""

import pytest

from rehost.cli import demo_machine
from rehost.cli.demo_console import connected
from rehost.system import process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "mmdebstrap", "qemu-system-x86_64"),
]


@pytest.fixture
def console(tmp_path):
    image = demo_machine.build(demo_machine.cache(), print)
    socket = tmp_path / "console.sock"
    argv = [
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "pc"),
        *("-accel", "tcg,thread=multi", "-cpu", "max,-erms,-la57", "-smp", "2", "-m", "1G"),
        *("-drive", f"if=virtio,format=raw,file={image},snapshot=on"),
        *("-nic", "user,model=virtio-net-pci"),
        *("-chardev", f"socket,id=console,path={socket},server=on,wait=on"),
        *("-serial", "chardev:console", "-serial", f"file:{tmp_path}/acknowledged"),
    ]
    environ = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    with process.running(argv, name="QEMU", log=tmp_path / "log", environ=environ) as qemu:
        qemu.wait_until(socket.exists, limit_s=30)
        with connected(socket) as console:
            yield console


def test_it_starts_and_keeps_each_record_that_it_acknowledges(console, tmp_path):
    console.log_in()
    # It is up, but for what failed.
    assert console.run("systemctl is-system-running --wait", limit_s=300).strip() == "running"
    [last] = (tmp_path / "acknowledged").read_text().splitlines()[-2:-1]
    console.run(f"grep -Fx '{last}' /var/lib/ledger/records")
    # Its own tools find the boot loader's disk again.
    assert console.run("grub-probe --target=device /").strip() == "/dev/vda1"
