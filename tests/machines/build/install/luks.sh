# A plain root; /srv and swap on LUKS2, opened at boot by a key file and by a random key.
disk=$(disk LUKS-SYSTEM-0005)
partition "$disk" <<'TABLE'
label: gpt
label-id: 0A000005-0000-4000-8000-0000000000FF
1: size=1M, type=21686148-6449-6E6F-744E-656564454649, uuid=0A000005-0000-4000-8000-000000000001
2: size=3G, type=L, uuid=0A000005-0000-4000-8000-000000000002
3: size=512M, type=L, name="srv", uuid=0A000005-0000-4000-8000-000000000003
4: type=L, name="swap", uuid=0A000005-0000-4000-8000-000000000004
TABLE
head -c 64 /dev/urandom >/run/srv.key
cryptsetup luksFormat --batch-mode --type luks2 --uuid 0a000005-0000-4000-8000-0000000000c0 \
    --label srv-crypt --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /run/srv.key "${disk}3"
cryptsetup open --key-file /run/srv.key "${disk}3" srv_crypt
mkfs.ext4 -q -L srv -U 0a000005-0000-4000-8000-0000000000d0 /dev/mapper/srv_crypt
mkfs.ext4 -q -L root -U 0a000005-0000-4000-8000-0000000000a0 "${disk}2"

mount "${disk}2" /target
mkdir -p /target/srv
mount /dev/mapper/srv_crypt /target/srv
copy_system luks <<'FSTAB'
LABEL=root / ext4 errors=remount-ro 0 1
/dev/mapper/srv_crypt /srv ext4 defaults 0 2
/dev/mapper/swap_crypt none swap sw 0 0
FSTAB
install -d -m 700 /target/etc/keys
install -m 400 /run/srv.key /target/etc/keys/srv.key
cat >/target/etc/crypttab <<'CRYPTTAB'
srv_crypt UUID=0a000005-0000-4000-8000-0000000000c0 /etc/keys/srv.key luks
swap_crypt PARTUUID=0a000005-0000-4000-8000-000000000004 /dev/urandom swap,cipher=aes-xts-plain64,size=256
CRYPTTAB
boot_bios "$disk"
umount /target/srv
cryptsetup close srv_crypt
done_installing
