"""The service's own key, in the data folder: it encrypts the secrets that are needed back."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from rehost.errors import BadConfiguration

NAME = "secret.key"


class Keys:
    """Encrypts what the database keeps, so that a copy of the database alone gives no secret."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Raise BadConfiguration if another key encrypted it."""
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken as e:
            raise BadConfiguration(
                f"a secret in the database was encrypted with another key than {NAME} in the data "
                f"folder; restore the {NAME} that belongs to this database"
            ) from e


def load(data: Path) -> Keys:
    """Read the key of the data folder, made at the first use; the folder must exist.

    Processes that start at once agree on one key: a key that is there is never replaced.
    """
    path = data / NAME
    try:
        if not path.exists():
            create_once(path, Fernet.generate_key() + b"\n")
        return Keys(path.read_bytes().strip())
    except ValueError as e:
        raise BadConfiguration(f"{path} is not a key that this service wrote; restore it") from e
    except OSError as e:
        raise BadConfiguration(f"cannot read or create the key {path}: {e}") from e


def create_once(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file that is not there yet; one that is there stays.

    It is on disk when this returns. Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as f:
            os.fchmod(descriptor, mode)  # whatever the umask is
            f.write(content)
            f.flush()
            os.fsync(descriptor)
        # A link, unlike a rename, fails if another process was first; then its content counts.
        path.hardlink_to(draft)
        _sync_folder(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _sync_folder(folder: Path) -> None:
    """What is encrypted next must not outlive a key whose name was lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
