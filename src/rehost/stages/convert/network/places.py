"""Which files of a guest matter. Stars do not reach over folders."""

LINKS = "/etc/systemd/network/*.link"
NETWORKD = (
    "/etc/systemd/network/*.network",
    "/etc/systemd/network/*.netdev",
    "/etc/systemd/network/*.d/*.conf",
)
UDEV = "/etc/udev/rules.d/*.rules"
IFUPDOWN = ("/etc/network/interfaces", "/etc/network/interfaces.d/*")
NETPLAN = ("/etc/netplan/*.yaml",)
KEYFILES = ("/etc/NetworkManager/system-connections/*",)
IFCFG = (
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysconfig/network-scripts/route*-*",
    "/etc/sysconfig/network-scripts/rule*-*",
    "/etc/sysconfig/network/ifcfg-*",
    "/etc/sysconfig/network/ifroute-*",
    "/etc/sysconfig/network/routes",
    "/etc/sysconfig/network",
)
CLOUD_INIT = ("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg")

# Where a MAC is looked for line by line, as a comment is a line that begins with "#" or ";".
LINES = (LINKS, *NETWORKD, UDEV, *IFUPDOWN, *KEYFILES, *IFCFG)

# Files that must be read.
FILES = (LINKS, *NETWORKD, UDEV, *IFUPDOWN, *NETPLAN, *KEYFILES, *IFCFG, *CLOUD_INIT)
# Files of which only the names matter: any content will do, b"" too.
EXISTING = (
    "/lib/systemd/libsystemd-shared-*.so",
    "/usr/lib/systemd/libsystemd-shared-*.so",
    "/lib/systemd/systemd-udevd",
    "/usr/lib/systemd/systemd-udevd",
    "/usr/lib/*/systemd/libsystemd-shared-*.so",
    "/usr/lib64/systemd/libsystemd-shared-*.so",
    "/etc/cloud/cloud-init.disabled",
    "/sbin/dhclient",
    "/sbin/dhcpcd",
    "/sbin/udhcpc",
    "/sbin/dhcpcd5",
    "/usr/sbin/dhclient",
    "/usr/sbin/dhcpcd",
    "/usr/sbin/udhcpc",
    "/usr/bin/dhcpcd",
)
