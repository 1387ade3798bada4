"""Guests of one sector: they start within a second, say a word on the serial port, and stay."""

SAY = bytes.fromhex(
    "fc"  # cld
    "31c0"  # xor ax, ax
    "8ed8"  # mov ds, ax
    "be0000"  # mov si, message: filled in below
    "ac"  # next: lodsb
    "84c0"  # test al, al
    "7406"  # jz said
    "baf803"  # mov dx, 0x3f8
    "ee"  # out dx, al
    "ebf5"  # jmp next
)
SLEEP = bytes.fromhex("f4ebfd")  # halt: hlt; jmp halt
# Enables ACPI's power button, waits for it, says BYE, and turns the machine off.
BYE = b"!"
HEED_BUTTON = bytes.fromhex(
    "ba0206"  # mov dx, 0x602: the events that are enabled
    "b80001"  # mov ax, 0x100
    "ef"  # out dx, ax
    "ba0006"  # mov dx, 0x600: the events that happened
    "ed"  # poll: in ax, dx
    "f6c401"  # test ah, 1
    "74fa"  # jz poll
    "baf803b021ee"  # mov dx, 0x3f8; mov al, BYE; out dx, al
    "ba0406"  # mov dx, 0x604
    "b80020"  # mov ax, 0x2000: off
    "ef"  # out dx, ax
)


# Enables ACPI's power button, waits for it, writes the disk's second sector, and says WRITTEN.
WRITTEN = b"!"
WRITE = bytes.fromhex(
    "ba0206b80001ef"  # as above
    "ba0006edf6c40174fa"
    "31c0"  # write: xor ax, ax
    "8ec0"  # mov es, ax
    "bb007c"  # mov bx, 0x7c00: from here
    "b90200"  # mov cx, 2: to the second sector
    "ba8000"  # mov dx, 0x80: of the first disk
    "b80103"  # mov ax, 0x301: write one sector
    "cd13"  # int 0x13
    "72ec"  # jc write
    "baf803b021ee"  # mov dx, 0x3f8; mov al, WRITTEN; out dx, al
)


def writing(message: str) -> bytes:
    """Writes to its disk when its power button is pressed, then goes on."""
    return _sector(SAY, WRITE + SLEEP, message)


def polite(message: str) -> bytes:
    """Shuts down when its power button is pressed."""
    return _sector(SAY, HEED_BUTTON + SLEEP, message)


def deaf(message: str) -> bytes:
    """Goes on whatever is pressed."""
    return _sector(SAY, SLEEP, message)


def _sector(say: bytes, then: bytes, message: str) -> bytes:
    at = (0x7C00 + len(say) + len(then)).to_bytes(2, "little")
    code = say.replace(b"\xbe\0\0", b"\xbe" + at) + then + message.encode() + b"\0"
    return code.ljust(510, b"\0") + b"\x55\xaa"
