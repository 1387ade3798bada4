from dataclasses import replace

from rehost.stages.check import (
    account_rights,
    driver_file,
    file_system,
    free_space,
    oem_system,
    os_version,
    service,
    system_root,
)
from rehost.stages.check.rule import UNKNOWN
from tests.unit.check.cases import Case
from tests.unit.check.reports import MIB, WINDOWS, windows


def volume(number: int = 1, **changes):
    """WINDOWS with another C: (number 1) or reserved partition (number 0)."""
    [disk] = WINDOWS.disks or ()
    entries = list(disk.physical_volumes or ())
    entries[number] = replace(entries[number], **changes)
    return windows(disks=(replace(disk, physical_volumes=tuple(entries)),))


def free(size: int, left: int):
    return volume(size=size, used_size=size - left)


WINDOWS_CASES = [
    *(
        Case("OS_VERSION", windows(os_version=version), None)
        for version in (
            "WINDOWS2016_64BIT",
            "WINDOWS2008_R2_64BIT",
            "WINDOWS2012R2_64BIT",
            "WINDOWS_SERVER_2022_64BIT",
            "WINDOWS_2019_DATACENTER_64BIT",
            "WINDOWS10_64BIT",
            "WINDOWS8.1_64BIT",
        )
    ),
    *(
        Case("OS_VERSION", windows(os_version=version), os_version.NOT_SUPPORTED, (version,))
        for version in ("WINDOWS2003_64BIT", "WINDOWS2016_32BIT", "WINDOWS_64BIT", "?", "DOS_6")
    ),
    Case("SYSTEM_ROOT", windows(system_dir="c:\\WINDOWS"), None),
    Case("SYSTEM_ROOT", windows(system_dir=None), None),
    Case("SYSTEM_ROOT", windows(system_dir="D:\\W"), system_root.ELSEWHERE, ("D:\\W",)),
    Case("SYSTEM_ROOT", windows(disks=None), UNKNOWN, ("disks",)),
    Case(
        "SYSTEM_ROOT",
        replace(volume(device_use="NORMAL"), system_dir=None),
        UNKNOWN,
        ("system_dir",),
    ),
    Case("FILE_SYSTEM", volume(file_system="ReFS"), file_system.UNSUPPORTED, ("C:\\ (ReFS)",)),
    Case("FILE_SYSTEM", volume(0, file_system="FAT32"), None),
    Case("FREE_SPACE", free(600 * MIB, 320 * MIB), None),
    Case("FREE_SPACE", free(600 * MIB, 320 * MIB - 1), free_space.TOO_LITTLE, ("C:\\ (319 MB)",)),
    Case("FREE_SPACE", free(600 * MIB - 1, 40 * MIB), None),
    Case("FREE_SPACE", free(600 * MIB - 1, 40 * MIB - 1), free_space.TOO_LITTLE, ("C:\\ (39 MB)",)),
    Case("FREE_SPACE", volume(used_size=None), UNKNOWN, ("C:\\ used_size",)),
    Case("FREE_SPACE", volume(0, file_system="FAT32", size=MIB, used_size=MIB), None),
    Case("FREE_SPACE", windows(disks=None), UNKNOWN, ("disks",)),
    Case("OEM_SYSTEM", windows(oem_system=True), oem_system.OEM),
    Case("OEM_SYSTEM", windows(oem_system=None), UNKNOWN, ("oem_system",)),
    Case("DRIVER_FILE", windows(driver_files=False), driver_file.MISSING),
    Case("DRIVER_FILE", windows(driver_files=None), UNKNOWN, ("driver_files",)),
    Case("SERVICE", windows(system_services=False), service.NOT_RUNNING),
    Case("SERVICE", windows(system_services=None), UNKNOWN, ("system_services",)),
    Case("ACCOUNT_RIGHTS", windows(account_rights=False), account_rights.NOT_ADMINISTRATOR),
    Case("ACCOUNT_RIGHTS", windows(account_rights=None), UNKNOWN, ("account_rights",)),
]
