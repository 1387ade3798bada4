"""Copy-on-write layers over a server's disks: qcow2 images that name them as what is below."""

from dataclasses import replace
from pathlib import Path

from rehost.errors import ProgramFailed
from rehost.provider_errors import LayerLost
from rehost.providers import folders
from rehost.providers.base import DiskFormat, TargetServer
from rehost.providers.folders import Record
from rehost.providers.qemu import failures
from rehost.providers.qemu.options import qemu_img
from rehost.system import process
from rehost.system.files import sync_folder


def images(record: Record, folder: Path) -> tuple[Path, ...]:
    return tuple(image.with_suffix(".qcow2") for image in folders.images(record, folder))


def lay(record: Record, folder: Path) -> TargetServer:
    """The record says so only once all images are there: those of a killed call are made anew.

    Raises LayerLost.
    """
    insist(record, folder)
    if not record.layered:
        for below, image in zip(
            folders.images(record, folder), images(record, folder), strict=True
        ):
            image.unlink(missing_ok=True)
            _make(below, image)
        sync_folder(folder)
        folders.write(folder, replace(record, layered=True))
    server = folders.server(record, folder)
    return replace(
        server,
        disks=tuple(
            replace(disk, path=image, format=DiskFormat.QCOW2)
            for disk, image in zip(server.disks, images(record, folder), strict=True)
        ),
    )


def insist(record: Record, folder: Path) -> None:
    """Raises LayerLost if the record says that there is a layer, and it is not whole."""
    lost = next((image for image in images(record, folder) if not image.exists()), None)
    if record.layered and lost is not None:
        raise LayerLost(record.spec.task_id, str(lost))


def drop(record: Record, folder: Path) -> None:
    """A killed call leaves a layer that is not whole: nothing starts from it until it is gone."""
    for image in images(record, folder):
        image.unlink(missing_ok=True)
    # What firmware noted belongs to what was started.
    (folder / "vars.fd").unlink(missing_ok=True)
    sync_folder(folder)
    if record.layered:
        # Only now: the layer may have filled the disk, and a new record takes space.
        folders.write(folder, replace(record, layered=False))


def _make(below: Path, image: Path) -> None:
    argv = [qemu_img(), "create", "-q", "-f", "qcow2", "-b", str(below), "-F", "raw", str(image)]
    try:
        process.run(argv, name="qemu-img", environ={"LC_ALL": "C"})
    except ProgramFailed as e:
        raise failures.of_image(image.parent, e) from e
    image.chmod(0o600)
