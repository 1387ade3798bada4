# The layout of Debian's cloud images: the partitions are numbered 15, 14, 1 in the order of the disk.
disk=$(disk vol0a0000070000000a1)
partition "$disk" <<'TABLE'
label: gpt
label-id: 0A000007-0000-4000-8000-0000000000FF
1: start=262144, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=0A000007-0000-4000-8000-000000000001
14: start=2048, size=3M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000007-0000-4000-8000-000000000014
15: start=8192, size=124M, type=U, uuid=0A000007-0000-4000-8000-000000000015
TABLE
mkfs.vfat -i 0a000007 "${disk}p15"
mkfs.ext4 -q -U 0a000007-0000-4000-8000-0000000000a0 "${disk}p1"
mkfs.xfs -q -m uuid=0a000007-0000-4000-8000-0000000000d0 "$(disk vol0a0000070000000b2)"

mount "${disk}p1" /target
mkdir -p /target/boot/efi /target/var/lib/postgresql
mount "${disk}p15" /target/boot/efi
copy_system nvme-cloud <<'FSTAB'
PARTUUID=0a000007-0000-4000-8000-000000000001 / ext4 rw,discard,errors=remount-ro 0 1
PARTUUID=0a000007-0000-4000-8000-000000000015 /boot/efi vfat defaults 0 0
UUID=0a000007-0000-4000-8000-0000000000d0 /var/lib/postgresql xfs nofail 0 2
FSTAB
boot_uefi --removable
done_installing
