# Debian's "guided, encrypted LVM": everything but /boot is in a volume group inside LUKS. The key is
# in the initramfs, so that the machine starts alone.
disk=$(disk CRYPT-SYSTEM-0008)
partition "$disk" <<'TABLE'
label: dos
label-id: 0x0a000008
1: size=487M, type=83, bootable
2: type=5
5: type=83
TABLE
install -d -m 700 /run/keys
head -c 64 /dev/urandom >/run/keys/root.key
cryptsetup luksFormat --batch-mode --type luks1 --uuid 0a000008-0000-4000-8000-0000000000c0 \
    --pbkdf-force-iterations 1000 --key-file /run/keys/root.key "${disk}5"
cryptsetup open --key-file /run/keys/root.key "${disk}5" vda5_crypt
pvcreate --quiet /dev/mapper/vda5_crypt
vgcreate --quiet luks-root-vg /dev/mapper/vda5_crypt
lvcreate --quiet --yes --name swap_1 --size 256M luks-root-vg
lvcreate --quiet --yes --name root --extents 100%FREE luks-root-vg
mkfs.ext2 -q -U 0a000008-0000-4000-8000-0000000000b0 "${disk}1"
mkfs.ext4 -q -U 0a000008-0000-4000-8000-0000000000a0 /dev/luks-root-vg/root
mkswap -U 0a000008-0000-4000-8000-0000000000e0 /dev/luks-root-vg/swap_1

mount /dev/luks-root-vg/root /target
mkdir /target/boot
mount "${disk}1" /target/boot
copy_system luks-root <<'FSTAB'
/dev/mapper/luks--root--vg-root / ext4 errors=remount-ro 0 1
UUID=0a000008-0000-4000-8000-0000000000b0 /boot ext2 defaults 0 2
/dev/mapper/luks--root--vg-swap_1 none swap sw 0 0
FSTAB
install -d -m 700 /target/etc/keys
install -m 400 /run/keys/root.key /target/etc/keys/root.key
echo "vda5_crypt UUID=0a000008-0000-4000-8000-0000000000c0 /etc/keys/root.key luks,discard,initramfs" \
    >/target/etc/crypttab
echo 'KEYFILE_PATTERN="/etc/keys/*.key"' >>/target/etc/cryptsetup-initramfs/conf-hook
echo "UMASK=0077" >/target/etc/initramfs-tools/conf.d/umask
in_target update-initramfs -u
boot_bios "$disk"
done_installing
