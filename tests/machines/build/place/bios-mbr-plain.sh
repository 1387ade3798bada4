#!/bin/sh
# BASE FOLDER: puts the base system on FOLDER/disk0.img, laid out as Debian's installer would by
# default (a primary root, swap as a logical partition): by this host, as root, without a guest.
set -eux
# All that is mounted from here on is gone when this ends, however it ends.
[ "${PLACING:-}" ] || PLACING=1 exec unshare --mount sh "$0" "$@"
base=$1
folder=$2
disk=$folder/disk0.img
target=$folder/target
root=0a000010-0000-4000-8000-000000000001
swap=0a000010-0000-4000-8000-000000000005

sfdisk --quiet "$disk" <<'TABLE'
label: dos
label-id: 0x5e0a1b10
1: start=2048, size=7340032, type=83, bootable
2: start=7342080, size=1046528, type=5
5: start=7344128, size=1044480, type=82
TABLE
truncate -s $((1044480 * 512)) "$folder/swap"
mkswap --quiet -U $swap "$folder/swap"
dd if="$folder/swap" of="$disk" bs=1M seek=$((7344128 / 2048)) conv=notrunc,sparse status=none
rm "$folder/swap"
mkfs.ext4 -q -F -U $root -E offset=$((2048 * 512)) "$disk" 3584M

mkdir "$folder/base" "$target"
mount -o ro,loop "$base/base.img" "$folder/base"
mount -o loop,offset=$((2048 * 512)),sizelimit=$((7340032 * 512)) "$disk" "$target"
cp --archive "$folder/base/." "$target"
echo bios-mbr-plain >"$target/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tbios-mbr-plain\n' >"$target/etc/hosts"
printf bios-mbr-plain | md5sum | cut -c1-32 >"$target/etc/machine-id"
cat >"$target/etc/fstab" <<FSTAB
UUID=$root / ext4 errors=remount-ro 0 1
UUID=$swap none swap sw 0 0
FSTAB
cat >"$target/etc/network/interfaces" <<'INTERFACES'
auto lo
iface lo inet loopback

auto ens2
iface ens2 inet static
    address 10.0.2.77/24
    gateway 10.0.2.2
INTERFACES
rm "$target/etc/systemd/network/10-dhcp.network"
chroot "$target" systemctl --quiet disable systemd-networkd systemd-networkd-wait-online

# GRUB's own programs look for the disk that they run from; this one is none.
kernel=$(basename "$target"/boot/vmlinuz-*)
mkdir -p "$target/boot/grub"
cat >"$target/boot/grub/grub.cfg" <<GRUB
serial
terminal_input serial
terminal_output serial
set timeout=0
menuentry Debian {
    search --no-floppy --fs-uuid --set=root $root
    linux /boot/$kernel root=UUID=$root ro console=ttyS0
    initrd /boot/initrd.img-${kernel#vmlinuz-}
}
GRUB
chroot "$target" grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /boot/grub/core.img \
    biosdisk part_msdos ext2 normal configfile linux search search_fs_uuid serial echo
# Its first part goes into the first sector, beside the partition table, the rest right behind.
dd if="$target/usr/lib/grub/i386-pc/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$target/boot/grub/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
umount "$target" "$folder/base"
rmdir "$target" "$folder/base"
