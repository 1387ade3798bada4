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
# /etc/sysconfig/network is a file on RHEL and CentOS, a folder on SUSE.
IFCFG_INTERFACES = (
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysconfig/network/ifcfg-*",
)
IFCFG_ROUTES = (
    "/etc/sysconfig/network-scripts/route-*",
    "/etc/sysconfig/network-scripts/route6-*",
    "/etc/sysconfig/network-scripts/rule-*",
    "/etc/sysconfig/network-scripts/rule6-*",
    "/etc/sysconfig/network/ifroute-*",
)
IFCFG_GLOBAL = ("/etc/sysconfig/network", "/etc/sysconfig/network/routes")
IFCFG = (*IFCFG_INTERFACES, *IFCFG_ROUTES, *IFCFG_GLOBAL)
CLOUD_INIT = ("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg")

OLD_TABLES = ("/etc/iftab", "/etc/mactab")  # of ifrename and nameif: names and addresses

# Where a MAC is looked for line by line, as a comment is a line that begins with "#" or ";".
LINES = (LINKS, *NETWORKD, UDEV, *IFUPDOWN, *KEYFILES, *IFCFG, *OLD_TABLES)

DHCP_CLIENTS = (
    "/sbin/dhclient",
    "/sbin/dhcpcd",
    "/sbin/udhcpc",
    "/usr/sbin/dhclient",
    "/usr/sbin/dhcpcd",
    "/usr/sbin/udhcpc",
    "/usr/bin/dhcpcd",
)

SYSTEMD = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")

# Files that must be read.
FILES = (LINKS, *NETWORKD, UDEV, *IFUPDOWN, *NETPLAN, *KEYFILES, *IFCFG, *CLOUD_INIT, *OLD_TABLES)
# Files of which only the names matter: any content will do, b"" too.
EXISTING = (
    "/lib/systemd/libsystemd-shared-*.so",
    "/usr/lib/systemd/libsystemd-shared-*.so",
    "/usr/lib/*/systemd/libsystemd-shared-*.so",
    "/usr/lib64/systemd/libsystemd-shared-*.so",
    "/etc/cloud/cloud-init.disabled",
    *DHCP_CLIENTS,
    *SYSTEMD,
)
