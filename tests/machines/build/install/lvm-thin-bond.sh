# What LVM can do beside plain volumes: a group over two disks, one of them without a partition
# table; thin, striped and snapshot volumes. And a network whose addresses are not on its cards.
system=$(disk THIN-SYSTEM-0009A)
whole=$(disk THIN-WHOLE-0009B)
partition "$system" <<'TABLE'
label: gpt
label-id: 0A000009-0000-4000-8000-0000000000FA
1: size=1M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000009-0000-4000-8000-000000000001
2: size=2560M, type=L, uuid=0A000009-0000-4000-8000-000000000002
3: type=V, uuid=0A000009-0000-4000-8000-000000000003
TABLE
mkfs.ext4 -q -U 0a000009-0000-4000-8000-0000000000a0 "${system}2"
pvcreate --quiet "${system}3" "$whole"
vgcreate --quiet data "${system}3" "$whole"
lvcreate --quiet --yes --type thin-pool --name pool --size 512M data
lvcreate --quiet --yes --thin --name thin --virtualsize 2G data/pool
lvcreate --quiet --yes --name striped --stripes 2 --size 256M data
lvcreate --quiet --yes --name logs --size 256M data
mkfs.xfs -q -m uuid=0a000009-0000-4000-8000-0000000000d1 /dev/data/thin
mkfs.ext4 -q -U 0a000009-0000-4000-8000-0000000000d2 /dev/data/striped
mkfs.ext3 -q -U 0a000009-0000-4000-8000-0000000000d3 /dev/data/logs
lvcreate --quiet --yes --snapshot --name logs-before --size 64M data/logs

mount "${system}2" /target
mkdir -p /target/srv/thin /target/srv/striped /target/srv/logs
copy_system lvm-thin-bond <<'FSTAB'
UUID=0a000009-0000-4000-8000-0000000000a0 / ext4 errors=remount-ro 0 1
/dev/data/thin /srv/thin xfs defaults,nofail 0 2
/dev/data/striped /srv/striped ext4 defaults,nofail 0 2
/dev/data/logs /srv/logs ext3 defaults,nofail 0 2
FSTAB

cd /target/etc/systemd/network
rm 10-dhcp.network
cat >bond0.netdev <<'NETDEV'
[NetDev]
Name=bond0
Kind=bond
MACAddress=52:54:00:00:09:01

[Bond]
Mode=active-backup
MIIMonitorSec=1s
NETDEV
cat >bond0-cards.network <<'NETWORK'
[Match]
Type=ether
Driver=virtio_net

[Network]
Bond=bond0
NETWORK
cat >bond0.network <<'NETWORK'
[Match]
Name=bond0

[Network]
Address=10.0.2.20/24
Gateway=10.0.2.2
VLAN=bond0.7
NETWORK
printf '[NetDev]\nName=bond0.7\nKind=vlan\n\n[VLAN]\nId=7\n' >bond0.7.netdev
printf '[Match]\nName=bond0.7\n\n[Network]\nAddress=10.7.0.20/24\n' >bond0.7.network
printf '[NetDev]\nName=docker0\nKind=bridge\n' >docker0.netdev
printf '[Match]\nName=docker0\n\n[Network]\nAddress=172.17.0.1/16\nConfigureWithoutCarrier=yes\n' \
    >docker0.network
cd /
boot_bios "$system"
done_installing
