# UEFI; a volume group with free extents, and names that device-mapper has to escape.
disk=$(disk UEFI-SYSTEM-0002)
partition "$disk" <<'TABLE'
label: gpt
label-id: 0A000002-0000-4000-8000-0000000000FF
1: size=256M, type=U, name="EFI System Partition", uuid=0A000002-0000-4000-8000-000000000001
2: size=512M, type=L, name="boot", uuid=0A000002-0000-4000-8000-000000000002
3: type=V, name="lvm", uuid=0A000002-0000-4000-8000-000000000003
TABLE
mkfs.vfat -i 0a000002 -n ESP "${disk}1"
mkfs.ext4 -q -L boot -U 0a000002-0000-4000-8000-0000000000b0 "${disk}2"
pvcreate --quiet "${disk}3"
vgcreate --quiet sys "${disk}3"
lvcreate --quiet --yes --name root --size 3G sys
lvcreate --quiet --yes --name srv-data --size 1G sys
lvcreate --quiet --yes --name swap --size 512M sys
mkfs.xfs -q -L root -m uuid=0a000002-0000-4000-8000-0000000000a0 /dev/sys/root
mkfs.xfs -q -m uuid=0a000002-0000-4000-8000-0000000000d0 /dev/sys/srv-data
mkswap -U 0a000002-0000-4000-8000-0000000000e0 /dev/sys/swap

mount /dev/sys/root /target
mkdir -p /target/boot /target/srv/data
mount "${disk}2" /target/boot
mkdir -p /target/boot/efi
mount "${disk}1" /target/boot/efi
mount /dev/sys/srv-data /target/srv/data
copy_system uefi-gpt-lvm-xfs <<'FSTAB'
/dev/mapper/sys-root / xfs defaults 0 0
UUID=0a000002-0000-4000-8000-0000000000b0 /boot ext4 defaults 0 2
UUID=0A00-0002 /boot/efi vfat umask=0077 0 1
/dev/mapper/sys-srv--data /srv/data xfs defaults 0 0
/dev/mapper/sys-swap none swap sw 0 0
FSTAB
head -c 64M /dev/urandom >/target/srv/data/blob
boot_uefi
done_installing
