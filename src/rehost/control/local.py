"""Work on a service's database where it is, without the service."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rehost.control import keys
from rehost.control.config import ServeConfig
from rehost.control.keys import Keys
from rehost.control.store.database import Database
from rehost.control.store.hot import SQLITE
from rehost.errors import BadConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    database: Database
    keys: Keys


@contextmanager
def open_local(
    config: ServeConfig, *, create: bool = False, upgrade: bool = True
) -> Iterator[Local]:
    """The service's database, with this program's schema unless told otherwise, and its key.

    Raises BadConfiguration if there is none, unless it is to be created: a mistyped folder must
    not look like a service without users. Also if the folder cannot be used.
    """
    path = Path(config.database_url.removeprefix(SQLITE))
    is_file = config.database_url.startswith(SQLITE)
    if is_file and not create and not path.exists():
        raise BadConfiguration(
            f"there is no database {path}; name the service's data folder with --data, "
            "or create its first user"
        )
    mask = os.umask(0o077)  # what is made is for this user alone, also in a folder that was there
    try:
        _ensure_folder(config.data)
        database = Database(config.database_url)
        try:
            if upgrade:
                database.upgrade()
            yield Local(database=database, keys=keys.load(config.data))
        finally:
            database.close()
    finally:
        os.umask(mask)


def _ensure_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as e:
        raise BadConfiguration(
            f"cannot make the data folder {folder}: {e.strerror}; run this as root or as the "
            "service's user, or name another folder with --data"
        ) from e
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise BadConfiguration(
            f"cannot write in the data folder {folder}; run this as root or as the service's user"
        )
