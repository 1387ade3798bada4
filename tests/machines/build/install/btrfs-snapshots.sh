# One btrfs for everything, subvolumes as the usual snapshot tools lay them out, @ as the default.
disk=$(disk BTRFS-SYSTEM-0003)
partition "$disk" <<'TABLE'
label: gpt
label-id: 0A000003-0000-4000-8000-0000000000FF
1: size=1M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000003-0000-4000-8000-000000000001
2: type=L, name="system", uuid=0A000003-0000-4000-8000-000000000002
TABLE
uuid=0a000003-0000-4000-8000-0000000000a0
mkfs.btrfs --quiet --label system --uuid $uuid "${disk}2"
mount "${disk}2" /mnt
btrfs subvolume create /mnt/@
btrfs subvolume create /mnt/@home
btrfs subvolume create /mnt/@snapshots
btrfs subvolume set-default /mnt/@

mount -o subvol=@,compress=zstd "${disk}2" /target
mkdir -p /target/home /target/.snapshots
mount -o subvol=@home "${disk}2" /target/home
mount -o subvol=@snapshots "${disk}2" /target/.snapshots
copy_system btrfs-snapshots <<FSTAB
UUID=$uuid / btrfs compress=zstd,subvol=@ 0 0
UUID=$uuid /home btrfs subvol=@home 0 0
UUID=$uuid /.snapshots btrfs subvol=@snapshots 0 0
FSTAB
boot_bios "$disk"

btrfs subvolume create "/target/srv/a name with spaces"
mkdir -p /target/home/ada /target/.snapshots/1 /target/.snapshots/2
head -c 32M /dev/urandom >/target/home/ada/blob
btrfs subvolume snapshot -r /target /target/.snapshots/1/snapshot
btrfs subvolume snapshot -r /target/home /target/.snapshots/1/home
echo changed >/target/etc/motd
btrfs subvolume snapshot /target /target/.snapshots/2/snapshot
umount /mnt
done_installing
