# A system of old habits: disks and the root parameter by the kernel's names, a static address, and
# an initramfs with the drivers of its own hardware alone.
disk=$(disk IDE-SYSTEM-0013)
partition "$disk" <<'TABLE'
label: dos
label-id: 0x5e0a1b13
1: start=2048, size=2560M, type=83, bootable
2: type=82
TABLE
mkfs.ext4 -q -U 0a000013-0000-4000-8000-000000000001 "${disk}1"
mkswap -U 0a000013-0000-4000-8000-000000000002 "${disk}2"

mount "${disk}1" /target
copy_system ide-no-virtio <<FSTAB
${disk}1 / ext4 errors=remount-ro 0 1
${disk}2 none swap sw 0 0
FSTAB
use_ifupdown <<'INTERFACES'
auto lo
iface lo inet loopback

allow-hotplug ens2
iface ens2 inet static
    address 10.0.2.77/24
    gateway 10.0.2.2
INTERFACES
# What asks for a login shows the address of this interface.
printf 'ens2 has \\4{ens2}\n' >>/target/etc/issue
echo GRUB_DISABLE_LINUX_UUID=true >>/target/etc/default/grub
sed -i 's/^MODULES=.*/MODULES=list/' /target/etc/initramfs-tools/initramfs.conf
printf 'ata_piix\nsd_mod\n' >>/target/etc/initramfs-tools/modules
in_target update-initramfs -u -k all
boot_bios "$disk"
done_installing
