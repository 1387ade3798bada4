# Four disks, of which only two have a partition table, and three block devices that are no disks.
system=$(disk MULTI-SYSTEM-0006A)
partition "$system" <<'TABLE'
label: dos
label-id: 0x0a000006
1: type=83, bootable
TABLE
mkfs.ext4 -q -U 0a000006-0000-4000-8000-0000000000a0 "${system}1"

data=$(disk MULTI-DATA-0006B)
partition "$data" <<'TABLE'
label: gpt
label-id: 0A000006-0000-4000-8000-0000000000FB
1: size=1G, type=L, name="data one", uuid=0A000006-0000-4000-8000-0000000000B1
2: type=L, name="unformatted", uuid=0A000006-0000-4000-8000-0000000000B2
TABLE
mkfs.xfs -q -L data -m uuid=0a000006-0000-4000-8000-0000000000b0 "${data}1"

whole=$(disk MULTI-WHOLE-0006C)
mkfs.ext4 -q -L backup -U 0a000006-0000-4000-8000-0000000000c0 "$whole"

mount "${system}1" /target
mkdir -p /target/data "/target/mnt/back up"
copy_system multi-disk-raw <<'FSTAB'
UUID=0a000006-0000-4000-8000-0000000000a0 / ext4 errors=remount-ro 0 1
LABEL=data /data xfs defaults,nofail 0 2
LABEL=backup /mnt/back\040up ext4 defaults,nofail 0 2
/swapfile none swap sw 0 0
/var/lib/tools.squashfs /opt squashfs loop,nofail 0 0
/dev/sr0 /media iso9660 ro,nofail 0 0
FSTAB
fallocate --length 256M /target/swapfile
chmod 600 /target/swapfile
mkswap -U 0a000006-0000-4000-8000-0000000000e0 /target/swapfile
mksquashfs /usr/local /target/var/lib/tools.squashfs -quiet -no-progress

cat >/target/etc/systemd/system/zram-swap.service <<'UNIT'
[Unit]
Before=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'modprobe zram && zramctl --size 128M /dev/zram0 && mkswap /dev/zram0 && swapon --priority 100 /dev/zram0'

[Install]
WantedBy=multi-user.target
UNIT
in_target systemctl --quiet enable zram-swap
use_ifupdown <<'INTERFACES'
auto lo
iface lo inet loopback

allow-hotplug ens2
iface ens2 inet dhcp

auto ens3
iface ens3 inet static
    address 192.168.57.10/24
    dns-nameservers 192.168.57.3
iface ens3 inet6 static
    address fd57::10/64
INTERFACES
boot_bios "$system"
done_installing
