"""Where the machine runs: cloud, hypervisor, or on its own hardware."""

from dataclasses import dataclass

from rehost.model.server import Platform
from rehost.stages.discover.survey import Survey

DMI = "/sys/class/dmi/id"
AZURE_ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"

# By a word in the DMI's vendor, product or BIOS version. Clouds come before the hypervisors that
# they run on.
PLATFORMS = (
    ("huawei", Platform.HUAWEI),
    ("hwcloud", Platform.HUAWEI),
    ("alibaba", Platform.ALIBABA),
    ("amazon", Platform.AWS),
    (AZURE_ASSET_TAG, Platform.AZURE),
    ("google", Platform.GCP),
    ("tencent", Platform.TENCENT),
    ("vmware", Platform.VMWARE),
    ("microsoft corporation virtual machine", Platform.HYPERV),
)
# systemd-detect-virt's words, for machines without it.
HYPERVISORS = (
    ("vmware", "vmware"),
    ("microsoft corporation virtual machine", "microsoft"),
    ("innotek", "oracle"),
    ("amazon ec2", "amazon"),
    ("google compute engine", "google"),
    ("xen", "xen"),
    ("kvm", "kvm"),
    ("qemu", "qemu"),
    ("openstack", "kvm"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dmi:
    """What the firmware says about the machine; "" where it says nothing."""

    vendor: str
    product: str
    bios: str
    asset_tag: str

    @property
    def words(self) -> str:
        return " ".join((self.vendor, self.product, self.bios, self.asset_tag)).lower()


def read_dmi(survey: Survey) -> Dmi:
    """Empty on a machine without DMI. Raises HostError."""
    return Dmi(
        vendor=survey.text(f"{DMI}/sys_vendor", ""),
        product=survey.text(f"{DMI}/product_name", ""),
        bios=survey.text(f"{DMI}/bios_version", ""),
        asset_tag=survey.text(f"{DMI}/chassis_asset_tag", ""),
    )


def platform_of(dmi: Dmi) -> Platform:
    """DEFAULT if the firmware says nothing."""
    named = (platform for word, platform in PLATFORMS if word in dmi.words)
    return next(named, Platform.OTHER if dmi.words.strip() else Platform.DEFAULT)


def find_hypervisor(survey: Survey, dmi: Dmi) -> str:
    """systemd-detect-virt's word. Raises HostError if nothing tells."""
    if survey.host.which("systemd-detect-virt"):
        # It exits with 1 if it prints "none".
        return survey.host.run(["systemd-detect-virt", "--vm"], ok=(0, 1)).strip()
    if kind := survey.text("/sys/hypervisor/type", ""):
        return kind
    named = next((hypervisor for word, hypervisor in HYPERVISORS if word in dmi.words), "")
    virtual = survey.grep("/proc/cpuinfo", r"^flags\s*:.*\bhypervisor\b")
    return named or ("vm-other" if virtual else "none")


def is_paravirtualized(survey: Survey) -> bool:
    """A Xen guest whose kernel cannot run on plain hardware. Raises HostError."""
    if survey.text("/sys/hypervisor/type", "") != "xen":
        return False
    # Kernels before 4.15 do not name the kind: but only hardware-assisted guests have a DMI.
    kind = survey.text("/sys/hypervisor/guest_type", "")
    return kind in {"PV", "PVH"} if kind else not survey.entries(DMI)
