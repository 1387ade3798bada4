# UEFI as installers of small servers lay it out: the ESP, and one xfs for everything.
disk=$(disk XFS-SYSTEM-0012)
partition "$disk" <<'TABLE'
label: gpt
label-id: 0A000012-0000-4000-8000-0000000000FF
1: size=256M, type=U, name="EFI System Partition", uuid=0A000012-0000-4000-8000-000000000001
2: type=L, name="system", uuid=0A000012-0000-4000-8000-000000000002
TABLE
mkfs.vfat -i 0a000012 -n ESP "${disk}1"
mkfs.xfs -q -L root -m uuid=0a000012-0000-4000-8000-0000000000a0 "${disk}2"

mount "${disk}2" /target
mkdir -p /target/boot/efi
mount "${disk}1" /target/boot/efi
copy_system uefi-gpt-xfs <<'FSTAB'
UUID=0a000012-0000-4000-8000-0000000000a0 / xfs defaults 0 0
UUID=0A00-0012 /boot/efi vfat umask=0077 0 1
FSTAB
boot_uefi
done_installing
