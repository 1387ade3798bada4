"""Record machines again: build each in QEMU, boot it from its own disk, run `rehost-agent capture`.

    sudo python3 -m tests.machines.build.record [NAME...]

Images are kept in $REHOST_CACHE (default /var/tmp/rehost-cache), named by what made them.
"""

import argparse
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.machines.build.guest import OVMF, Exchange, Kernel, disk_image, run_in_guest
from tests.machines.build.hardware import MACHINES, Machine

HERE = Path(__file__).resolve().parent
RECORDINGS = HERE.parent
SOURCES = HERE.parents[2] / "src"
CACHE = Path(os.environ.get("REHOST_CACHE", "/var/tmp/rehost-cache")) / "machines"

CAPTURE = b"""set -eu
# Everything that boots late (zram, loop mounts, DHCP) is up before anything is read.
udevadm settle
curl -fsS "$HOST/agent.tar" | tar -xC /run
cd /run
python3 -I -S -c 'import sys; sys.path.insert(0, "/run/src")
import runpy; sys.argv = ["rehost-agent", "capture", "/run/recording"]
runpy.run_module("rehost.agent", run_name="__main__")'
tar -cf recording.tar -C /run/recording .
curl -fsS -T recording.tar "$HOST/recording.tar"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all machines")
    parser.add_argument("--script", type=Path, help="run this in the guest instead of the capture")
    options = parser.parse_args()
    for machine in MACHINES:
        if not options.names or machine.name in options.names:
            folder = installed(machine)
            if options.script:
                print(run_script(machine, folder, options.script.read_bytes()))
            else:
                record(machine, folder)


def record(machine: Machine, folder: Path) -> None:
    """Replace the recording of `machine`, except what people wrote beside it."""
    exchange = Exchange(offered={"run.sh": CAPTURE, "agent.tar": agent_sources()})
    run_in_guest(machine, folder, exchange)
    recording = RECORDINGS / machine.name
    recording.mkdir(exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(exchange.received["recording.tar"])) as archive:
        for name in {Path(member).parts[0] for member in archive.getnames() if member != "."}:
            remove(recording / name)
        archive.extractall(recording)
    print(f"{machine.name}: recorded in {recording}")
    # Whoever changes discovery would have to make this again; expected.json says what matters.
    report = recording / "report.json"
    for missing in json.loads(report.read_text())["facts"]["missing"]:
        print(f"  not known: {missing['fact']}: {missing['reason']}")
    report.unlink()


def run_script(machine: Machine, folder: Path, script: bytes) -> str:
    exchange = Exchange(offered={"run.sh": script, "agent.tar": agent_sources()})
    run_in_guest(machine, folder, exchange)
    return exchange.received["run.log"].decode()


def agent_sources() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file in sorted(SOURCES.rglob("*.py")):
            tar.add(file, arcname=f"src/{file.relative_to(SOURCES)}")
    return archive.getvalue()


def installed(machine: Machine) -> Path:
    """The folder with the disks of `machine`, installed now if it is not in the cache."""
    with alone(machine.name):
        return install(machine, base_system())


def install(machine: Machine, base: Path) -> Path:
    script = installer(machine)
    folder = CACHE / f"{machine.name}-{digest(base.name.encode(), script, repr(machine).encode())}"
    if (folder / "installed").exists():
        return folder
    for outdated in CACHE.glob(f"{machine.name}-{'[0-9a-f]' * 12}"):
        remove(outdated)
    folder.mkdir(parents=True)
    for number, disk in enumerate(machine.disks):
        with disk_image(folder, number).open("wb") as image:
            image.truncate(disk.size)
    if machine.firmware == "uefi":
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", folder / "efivars.fd")
    if machine.cdrom:
        make_cd(folder / "cd.iso")
    started = time.monotonic()
    if placer(machine).exists():
        place(machine, base, folder)
    else:
        kernel = Kernel(vmlinuz=base / "vmlinuz", initrd=base / "initrd", root=base / "base.img")
        run_in_guest(machine, folder, Exchange(offered={"run.sh": script}), kernel=kernel)
    seconds = time.monotonic() - started
    print(f"{machine.name}: installed in {seconds:.0f} s", file=sys.stderr)
    (folder / "installed").touch()
    return folder


def place(machine: Machine, base: Path, folder: Path) -> None:
    with (folder / "log").open("wb") as log:
        subprocess.run(["sh", placer(machine), base, folder], check=True, stdout=log, stderr=log)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let nobody else on this host make the same thing at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_cd(image: Path) -> None:
    command = ["xorriso", "-report_about", "FAILURE", "-as", "mkisofs", "-V", "TOOLS"]
    command += ["--modification-date=2026010100000000", "-o", str(image), str(HERE / "install")]
    subprocess.run(command, check=True)


def base_system() -> Path:
    script = HERE / "base.sh"
    folder = CACHE / f"base-{digest(script.read_bytes())}"
    with alone("base"):
        if (folder / "base.img").exists():
            return folder
        remove(folder)
        building = folder.with_suffix(".building")
        remove(building)
        building.mkdir(parents=True)
        with (building / "log").open("wb") as log:
            subprocess.run(["sh", script, building], check=True, stdout=log, stderr=log)
        building.rename(folder)
    return folder


def installer(machine: Machine) -> bytes:
    """The script that makes its disks, on this host or in a guest."""
    if placer(machine).exists():
        return placer(machine).read_bytes()
    folder = HERE / "install"
    return (folder / "lib.sh").read_bytes() + (folder / f"{machine.name}.sh").read_bytes()


def placer(machine: Machine) -> Path:
    return HERE / "place" / f"{machine.name}.sh"


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
