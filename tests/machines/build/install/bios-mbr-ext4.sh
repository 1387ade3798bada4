# The layout that Debian's installer makes by default: a primary root, swap as a logical partition.
disk=$(disk BIOS-SYSTEM-0001)
partition "$disk" <<'TABLE'
label: dos
label-id: 0x5e0a1b2c
1: start=2048, size=3584M, type=83, bootable
2: type=5
5: type=82
TABLE
mkfs.ext4 -q -U 0a000001-0000-4000-8000-000000000001 "${disk}1"
mkswap -U 0a000001-0000-4000-8000-000000000005 "${disk}5"

mount "${disk}1" /target
copy_system bios-mbr-ext4 <<'FSTAB'
UUID=0a000001-0000-4000-8000-000000000001 / ext4 errors=remount-ro 0 1
UUID=0a000001-0000-4000-8000-000000000005 none swap sw 0 0
FSTAB
use_ifupdown <<'INTERFACES'
auto lo
iface lo inet loopback

allow-hotplug ens2
iface ens2 inet dhcp
INTERFACES
boot_bios "$disk"
done_installing
