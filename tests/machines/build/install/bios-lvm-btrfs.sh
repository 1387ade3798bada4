# A /boot of its own, the rest in a volume group: ext4 root, btrfs data, swap. A static address.
disk=$(disk LVM-SYSTEM-0011)
partition "$disk" <<'TABLE'
label: dos
label-id: 0x5e0a1b11
1: size=512M, type=83, bootable
2: type=8e
TABLE
mkfs.ext4 -q -U 0a000011-0000-4000-8000-000000000001 "${disk}1"
pvcreate --quiet "${disk}2"
vgcreate --quiet sys "${disk}2"
lvcreate --quiet --yes --name root --size 3G sys
lvcreate --quiet --yes --name data --size 768M sys
lvcreate --quiet --yes --name swap --size 256M sys
mkfs.ext4 -q -U 0a000011-0000-4000-8000-0000000000a0 /dev/sys/root
mkfs.btrfs --quiet --uuid 0a000011-0000-4000-8000-0000000000d0 /dev/sys/data
mkswap -U 0a000011-0000-4000-8000-0000000000e0 /dev/sys/swap

mount /dev/sys/root /target
mkdir -p /target/boot /target/data
mount "${disk}1" /target/boot
mount /dev/sys/data /target/data
copy_system bios-lvm-btrfs <<'FSTAB'
/dev/mapper/sys-root / ext4 errors=remount-ro 0 1
UUID=0a000011-0000-4000-8000-000000000001 /boot ext4 defaults 0 2
/dev/mapper/sys-data /data btrfs defaults 0 0
/dev/mapper/sys-swap none swap sw 0 0
FSTAB
use_ifupdown <<'INTERFACES'
auto lo
iface lo inet loopback

auto ens2
iface ens2 inet static
    address 10.0.2.77/24
    gateway 10.0.2.2
INTERFACES
boot_bios "$disk"
done_installing
