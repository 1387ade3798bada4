#!/bin/sh
# Makes a bootable system of a fresh Debian tree, and an image of it. mmdebstrap calls this
# with the tree, as root of the tree, and in the environment:
#   IMAGE      a file as large as the disk is to be, with a partition at OFFSET
#   OFFSET     bytes from the start of the disk
#   BLOCKS     KiB that the filesystem is to have
#   BOOT       a folder for the boot loader's two parts
set -eu
tree=$1
uuid=$(cat /proc/sys/kernel/random/uuid)
inside() { chroot "$tree" "$@"; }

echo old-server >"$tree/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 old-server\n' >"$tree/etc/hosts"
echo "UUID=$uuid / ext4 errors=remount-ro 0 1" >"$tree/etc/fstab"
tr -d - </proc/sys/kernel/random/uuid >"$tree/etc/machine-id"
# Nobody from outside can log in with an empty password; who sits at the console can.
inside passwd --quiet --delete root

# Its one interface is eth0 wherever it is plugged in: nothing needs changing on a target.
cat >"$tree/etc/systemd/network/10-dhcp.network" <<'NETWORK'
[Match]
Name=eth0

[Network]
DHCP=ipv4
NETWORK

# Something that a migration must not lose: each record is on the disk before it is acknowledged,
# on the second serial port where there is one. The boot's id tells records of two machines apart.
cat >"$tree/usr/local/sbin/ledger" <<'LEDGER'
#!/usr/bin/python3
import contextlib
import os
import time

FILE = "/var/lib/ledger/records"
os.makedirs(os.path.dirname(FILE), exist_ok=True)
boot = open("/proc/sys/kernel/random/boot_id").read()[:8]
records = os.open(FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
number = open(FILE, "rb").read().count(b"\n")
answer = os.open("/dev/ttyS1", os.O_WRONLY | os.O_NOCTTY)
while True:
    number += 1
    record = b"%d %s\n" % (number, boot.encode())
    os.write(records, record)
    os.fsync(records)
    with contextlib.suppress(OSError):  # this machine has no such port
        os.write(answer, record)
    time.sleep(0.05)
LEDGER
chmod 755 "$tree/usr/local/sbin/ledger"
cat >"$tree/etc/systemd/system/ledger.service" <<'UNIT'
[Unit]
Description=Ledger that must not lose a record

[Service]
ExecStart=/usr/local/sbin/ledger

[Install]
WantedBy=multi-user.target
UNIT

# Before each moment that the machine is held at, the ledger's witness hears of it in order.
install -d -m 700 "$tree/etc/rehost"
cat >"$tree/usr/local/sbin/ledger-cut" <<'HOOK'
#!/bin/sh
echo cut >/dev/ttyS1 || :
HOOK
chmod 755 "$tree/usr/local/sbin/ledger-cut"
cat >"$tree/etc/rehost/hooks.toml" <<'HOOKS'
[[hook]]
name = "ledger"
pre = ["/usr/local/sbin/ledger-cut"]
HOOKS

inside systemctl --quiet enable systemd-networkd ledger
inside systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service
inside systemctl --quiet set-default multi-user.target

cat >"$tree/etc/default/grub" <<'GRUB'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="net.ifnames=0 loglevel=4 console=ttyS0"
GRUB_TERMINAL=serial
GRUB
# grub-install and grub-mkconfig look for the disk that they run from: here there is none yet.
mkdir -p "$tree/boot/grub"
kernel=$(basename "$tree"/boot/vmlinuz-*)
cat >"$tree/boot/grub/grub.cfg" <<GRUB
serial
terminal_input serial
terminal_output serial
menuentry Debian {
    search --no-floppy --fs-uuid --set=root $uuid
    linux /boot/$kernel root=UUID=$uuid ro net.ifnames=0 loglevel=4 console=ttyS0
    initrd /boot/initrd.img-${kernel#vmlinuz-}
}
set timeout=0
GRUB
inside grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /boot/grub/core.img \
    biosdisk part_msdos ext2 normal configfile linux search search_fs_uuid serial echo
cat "$tree/usr/lib/grub/i386-pc/boot.img" >"$BOOT/boot.img"
cat "$tree/boot/grub/core.img" >"$BOOT/core.img"

rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/archives/*.deb "$tree"/var/cache/apt/*.bin
# /proc and others are mounted in the tree now; the tree seen from elsewhere is without them.
# shellcheck disable=SC2016
unshare --mount sh -euc '
    mount --bind "$1" /mnt
    exec mkfs.ext4 -q -F -L system -U "$2" -d /mnt -E "offset=$OFFSET" "$IMAGE" "${BLOCKS}k"
' sh "$tree" "$uuid"
