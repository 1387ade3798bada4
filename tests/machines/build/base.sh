#!/bin/sh
# Makes FOLDER/{base.img,vmlinuz,initrd}: a Debian 12 that can install copies of itself.
# Needs root and the network; one to two minutes.
set -eu
folder=$1
tree=$folder/tree
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

debootstrap --variant=minbase --include="$(tr -s '\n' , <<'PACKAGES'
systemd,systemd-sysv,udev,dbus,kmod,procps,locales,less,xz-utils,zstd,python3
linux-image-cloud-amd64,initramfs-tools,grub2-common,grub-pc-bin,grub-efi-amd64-bin,efibootmgr
lvm2,thin-provisioning-tools,mdadm,cryptsetup,cryptsetup-initramfs,fdisk,gdisk,parted,smartmontools,squashfs-tools
e2fsprogs,xfsprogs,btrfs-progs,dosfstools
iproute2,iputils-ping,ifupdown,isc-dhcp-client,ethtool,curl,rsync,dmidecode,pciutils
openssh-server,postgresql
PACKAGES
)" bookworm "$tree" "$mirror"

cat >"$tree/usr/local/sbin/run-from-host" <<'SCRIPT'
#!/bin/sh
# Runs the script that the host offers, if one does, sends back what it said, and powers off.
modprobe qemu_fw_cfg
host=$(cat /sys/firmware/qemu_fw_cfg/by_name/opt/rehost/url/raw) || exit 0
cd /run
curl -fsS --retry 60 --retry-all-errors --retry-delay 1 -o run.sh "$host/run.sh"
HOST=$host sh run.sh >run.log 2>&1
echo $? >run.status
curl -fsS -T run.log "$host/run.log"
curl -fsS -T run.status "$host/run.status"
systemctl poweroff
SCRIPT
chmod 755 "$tree/usr/local/sbin/run-from-host"

cat >"$tree/etc/systemd/system/run-from-host.service" <<'UNIT'
[Unit]
Wants=network-online.target
After=network-online.target multi-user.target

[Service]
ExecStart=/usr/local/sbin/run-from-host

[Install]
WantedBy=multi-user.target
UNIT

cat >"$tree/etc/systemd/network/10-dhcp.network" <<'NETWORK'
[Match]
Name=en* eth*

[Network]
DHCP=ipv4
NETWORK

cat >"$tree/etc/default/grub" <<'GRUB'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=ttyS0"
GRUB_TERMINAL=serial
GRUB

chroot "$tree" systemctl --quiet enable run-from-host systemd-networkd
chroot "$tree" systemctl --quiet set-default multi-user.target
chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer
# A machine that cannot boot must not wait for someone to type.
chroot "$tree" passwd --quiet --delete root
chroot "$tree" apt-get clean
# PostgreSQL's compiler of queries is as large as all the rest of it, and is not used here.
rm -rf "$tree"/usr/lib/x86_64-linux-gnu/libLLVM* "$tree"/usr/lib/llvm-* "$tree"/usr/lib/postgresql/*/lib/bitcode
rm -rf "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/man "$tree"/usr/share/locale
: >"$tree/etc/machine-id"

cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
cp "$tree"/boot/initrd.img-* "$folder/initrd"
truncate -s 3G "$folder/base.img"
mkfs.ext4 -q -L base -d "$tree" "$folder/base.img"
rm -rf "$tree"
