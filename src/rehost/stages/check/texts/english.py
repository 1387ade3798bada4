"""code: (what is wrong, what to do)"""

ENGLISH: dict[str, tuple[str, str]] = {
    "REHOST.5001": (
        "This could not be checked, because the agent could not find out: {all}.",
        "Run the agent as root, install the tools it names as missing, and let it report again. "
        "The migration can go on without; look at this point yourself first.",
    ),
    "REHOST.5002": (
        "The registration lacks what this check needs: {all}.",
        "Update the agent, run it as root, and let it report again.",
    ),
    "SMS.2206": (
        "The operating system {0} is not in the list of supported systems.",
        "Upgrade the source to a supported 64-bit release, or install a supported system on the "
        "target and move the data there.",
    ),
    "REHOST.5011": (
        "The operating system {0} is not in the list of systems that conversion is tested with.",
        "Block-level replication does not depend on it. Make a test launch of the target before "
        "the cutover.",
    ),
    "REHOST.5021": (
        "The source reports {0} CPUs; at least {1} is needed.",
        "Check that the agent reads the source correctly (nproc), and let it report again.",
    ),
    "REHOST.5022": (
        "The CPUs are {0} % busy; when replication starts, it should be at most {1} %.",
        "Start the migration at a quieter time, or limit its speed: the source stays usable, but "
        "both the services on it and the migration get slower.",
    ),
    "REHOST.5031": (
        "The source has {0} MB of memory; at least 1 GB is needed.",
        "Give the source at least 1 GB of memory, and let the agent report again.",
    ),
    "REHOST.5032": (
        "Only {0} MB of memory are free; there should be more than {1} MB.",
        "Stop what is not needed on the source, or add memory or swap. Otherwise its kernel may "
        "kill the agent, and the migration pauses.",
    ),
    "REHOST.5041": (
        "The source is a Xen paravirtual (PV) guest, which cannot start on other hardware.",
        "Change the source to hardware virtualisation (HVM or PVHVM) on its present platform, "
        "with a kernel and boot loader of its own, and let the agent report again.",
    ),
    "REHOST.5051": (
        "The source starts through UEFI, but no EFI system partition (vfat) is on its disks.",
        "Check with `efibootmgr -v` and `lsblk -f` where it starts from. If that is the network "
        "or another device, install a boot loader on a disk, or the target will not start.",
    ),
    "REHOST.5061": (
        "No boot loader was found on the disks: the target could not start by itself.",
        "If its hypervisor or the network starts it now, install a kernel too. Install GRUB on the "
        "system disk (grub-install, then update-grub or grub2-mkconfig), and let the agent report "
        "again.",
    ),
    "REHOST.5062": (
        "The boot loader is {0}, not GRUB; conversion cannot change its entries.",
        "It is copied as it is, and will do if the system has the target's drivers already (see "
        "VIRTIO_INITRAMFS). Make a test launch before the cutover, or change to GRUB.",
    ),
    "REHOST.5071": (
        "rsync is not installed; file-level migration needs it.",
        "Nothing to do for block-level migration, which does not use it. For file-level "
        "migration, install the package rsync.",
    ),
    "REHOST.5072": (
        "tc is not installed; file-level migration limits its speed with it.",
        "Nothing to do for block-level migration, which limits its speed itself. For file-level "
        "migration, install the package iproute2 (iproute-tc on Red Hat systems).",
    ),
    "REHOST.5081": (
        "Disks without partition table or filesystem (raw devices): {all}.",
        "Block-level migration copies them whole, as nothing tells which blocks are used; "
        "file-level migration leaves them out. If a database uses them, stop it for the cutover.",
    ),
    "REHOST.5091": (
        "The agent found no disk to migrate.",
        "Run the agent on the server itself, as root, not in a container; and let it report again.",
    ),
    "REHOST.5092": (
        "The source has {0} disks; a target takes at most {1}.",
        "Detach disks that need not be migrated, or merge their data, and let the agent report "
        "again.",
    ),
    "REHOST.5093": (
        "The size of these disks is not known or 0: {all}.",
        "Check with `lsblk -b` that they can be read, detach those without a medium, and let the "
        "agent report again.",
    ),
    "REHOST.5094": (
        "The root filesystem is not on any of the disks.",
        "A system that runs from the network, from memory or in a container cannot be migrated "
        "so. Otherwise run the agent as root on the server itself, and let it report again.",
    ),
    "REHOST.5095": (
        "The root filesystem has {0} MB free; at least {1} MB are needed.",
        "Delete what is not needed (package caches, old kernels, old logs) or enlarge the root "
        "filesystem, and let the agent report again.",
    ),
    "REHOST.5101": (
        "Partition tables that are neither MBR nor GPT: {all}.",
        "Move the data to a disk with a GPT or MBR partition table (on Windows: a basic, not a "
        "dynamic disk), detach the old disk, and let the agent report again.",
    ),
    "REHOST.5102": (
        "The system disk has no partition table: {all}.",
        "It is copied as it is, but firmware may not start from it. Make a test launch before "
        "the cutover; if it fails, move the system to a partitioned disk.",
    ),
    "REHOST.5111": (
        "Filesystems that cannot be read: {all}.",
        "Block-level migration copies all blocks of them, used or not, which takes longer; "
        "file-level migration leaves them out. Nothing else to do.",
    ),
    "REHOST.5121": (
        "Windows is in {0}, which is on none of the disks reported.",
        "Check in Disk Management that the system volume is on a local basic disk, and let the "
        "agent report again.",
    ),
    "REHOST.5131": (
        "Too little free space for a shadow copy: {all}.",
        "Free at least 320 MB on volumes of 600 MB and more, 40 MB on smaller ones, and let the "
        "agent report again.",
    ),
    "REHOST.5141": (
        "Windows is an OEM edition, whose licence is bound to the source's hardware.",
        "The migration can go on. Have a licence at hand that is valid on the target: Windows "
        "will ask to be activated there.",
    ),
    "REHOST.5151": (
        "Driver files that Windows needs on the target's hardware are missing.",
        "Install the virtio drivers (virtio-win), repair the system files with `sfc /scannow`, "
        "and let the agent report again.",
    ),
    "REHOST.5161": (
        "System services that the migration needs do not run or are disabled.",
        "Enable Volume Shadow Copy, Microsoft Software Shadow Copy Provider and Windows "
        "Management Instrumentation, and let the agent report again.",
    ),
    "REHOST.5171": (
        "The account that the agent runs as lacks the rights that the migration needs.",
        "Start the agent as an administrator with the rights to back up and restore files.",
    ),
    "REHOST.5181": (
        "The initramfs lacks drivers that the target's disks need: {all}.",
        "Conversion makes a new initramfs on the target. To save that time, add them on the "
        "source: `dracut -f --add-drivers`, or /etc/initramfs-tools/modules and "
        "`update-initramfs -u`.",
    ),
    "REHOST.5182": (
        "The kernel lacks drivers that the target's disks need: {all}.",
        "Install a kernel with virtio (the distribution's standard kernel has it), restart into "
        "it, and let the agent report again.",
    ),
    "REHOST.5191": (
        "Kernel {0} is too old to track changed blocks; each pass reads all used blocks instead.",
        "The migration can go on; each pass takes as long as reading the disks. A kernel from "
        "4.18 on, or one with blktrace (CONFIG_BLK_DEV_IO_TRACE), avoids that.",
    ),
    "REHOST.5192": (
        "Kernel lockdown ({0}) forbids tracking changed blocks; each pass reads all used blocks.",
        "The migration can go on; each pass takes as long as reading the disks. To avoid that, "
        "start the source with lockdown=integrity and a kernel from 4.18 on, or without lockdown.",
    ),
    "REHOST.5193": (
        "The kernel refuses eBPF and has no blktrace; each pass reads all used blocks instead.",
        "The migration can go on; each pass takes as long as reading the disks. Run the agent as "
        "root outside of containers, with tracefs mounted on /sys/kernel/tracing.",
    ),
    "REHOST.5194": (
        "Writes to these disks cannot be tracked, and each pass reads them whole: {all}.",
        "The migration can go on; each pass takes as long as reading these disks. Detach those "
        "that need not be migrated.",
    ),
    "REHOST.5201": (
        "Logical volumes that are physical volumes of LVM again (nested LVM): {all}.",
        "Block-level migration copies them as they are; file-level migration, or disks of "
        "another size, are not possible for them.",
    ),
    "REHOST.5211": (
        "Encrypted volumes: {all}.",
        "They are copied whole and stay encrypted. The target asks for the passphrase at its "
        "console; a key held by the TPM does not open them there, so add a passphrase first. If "
        "root is encrypted, conversion cannot look inside: see VIRTIO_INITRAMFS.",
    ),
    "REHOST.5221": (
        "The source starts with Secure Boot.",
        "Choose a target whose firmware has Secure Boot with the same keys (own keys must be "
        "enrolled there again), or switch it off on the target.",
    ),
    "REHOST.5231": (
        "Network filesystems are mounted, and are not migrated: {all}.",
        "Make sure that the target reaches the same servers. Mark them nofail in /etc/fstab, "
        "or a test launch in an isolated network waits for them at boot.",
    ),
    "REHOST.5241": (
        "The same disk is reported under several names: {all}.",
        "Detach all its paths but one (`echo 1 > /sys/block/NAME/device/delete`) for the time of "
        "the migration, and let the agent report again.",
    ),
    "REHOST.5251": (
        "Disks whose copy would be larger than 16 TB: {all}.",
        "Block-level migration has no such limit of its own. Ask whether your target can have "
        "disks of that size, or divide the data among smaller ones.",
    ),
}
