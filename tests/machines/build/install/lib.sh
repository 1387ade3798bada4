# Sourced by each installer below, inside a guest that runs the base system and has the machine's
# disks attached. Identifiers are fixed, so that a recording made again differs only where it must.
set -eux
mkdir -p /target

disk() { # SERIAL -> /dev/...
    lsblk --nodeps --noheadings --raw --output SERIAL,PATH | awk -v serial="$1" '$1 == serial { print $2 }'
}

partition() { # DISK < sfdisk script
    sfdisk --quiet --wipe always --wipe-partitions always "$1"
    udevadm settle
}

copy_system() { # HOSTNAME < fstab
    cp --archive --one-file-system /. /target
    cat >/target/etc/fstab
    echo "$1" >/target/etc/hostname
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$1" >/target/etc/hosts
    printf %s "$1" | md5sum | cut -c1-32 >/target/etc/machine-id
    rm -rf /target/var/log/journal /target/target
    for folder in dev proc sys run; do mount --rbind --make-rslave /$folder /target/$folder; done
}

in_target() { chroot /target "$@"; }

boot_bios() { # DISK...
    for disk; do in_target grub-install --target=i386-pc "$disk"; done
    in_target update-grub
}

boot_uefi() { # [--removable]
    in_target grub-install --target=x86_64-efi --efi-directory=/boot/efi --bootloader-id=debian "$@"
    in_target update-grub
}

use_ifupdown() { # < /etc/network/interfaces
    cat >/target/etc/network/interfaces
    rm /target/etc/systemd/network/10-dhcp.network
    in_target systemctl --quiet disable systemd-networkd systemd-networkd-wait-online
}

done_installing() {
    umount --recursive /target
    sync
}
