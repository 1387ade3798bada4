# Two SCSI disks, a mirror over their second partitions, a volume group on the mirror; no swap.
first=$(disk RAID-MEMBER-0004A)
second=$(disk RAID-MEMBER-0004B)
partition "$first" <<'TABLE'
label: gpt
label-id: 0A000004-0000-4000-8000-0000000000FA
1: size=1M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000004-0000-4000-8000-00000000001A
2: type=R, uuid=0A000004-0000-4000-8000-00000000002A
TABLE
partition "$second" <<'TABLE'
label: gpt
label-id: 0A000004-0000-4000-8000-0000000000FB
1: size=1M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000004-0000-4000-8000-00000000001B
2: type=R, uuid=0A000004-0000-4000-8000-00000000002B
TABLE
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --homehost=raid1-lvm \
    --name=0 --uuid=0a000004:00004000:80000000:000000a0 "${first}2" "${second}2"
pvcreate --quiet /dev/md0
vgcreate --quiet raidvg /dev/md0
lvcreate --quiet --yes --name root --size 3G raidvg
lvcreate --quiet --yes --name home --extents 50%FREE raidvg
mkfs.ext4 -q -U 0a000004-0000-4000-8000-0000000000a1 /dev/raidvg/root
mkfs.ext4 -q -U 0a000004-0000-4000-8000-0000000000a2 /dev/raidvg/home

mount /dev/raidvg/root /target
mkdir -p /target/home
mount /dev/raidvg/home /target/home
copy_system raid1-lvm <<'FSTAB'
/dev/mapper/raidvg-root / ext4 errors=remount-ro 0 1
/dev/mapper/raidvg-home /home ext4 defaults 0 2
FSTAB
printf 'HOMEHOST <system>\nMAILADDR root\n' >/target/etc/mdadm/mdadm.conf
mdadm --detail --scan >>/target/etc/mdadm/mdadm.conf
in_target update-initramfs -u
boot_bios "$first" "$second"
done_installing
