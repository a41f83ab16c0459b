"""One writer at a time: a lock on the folder, or a claim in the record."""

import datetime
import os
import pathlib
import socket
import uuid
from typing import Any

from .arrays import InputError
from .store_place import explained, leftover, Place
from .store_record import Record


def lock_folder(place: Place) -> int | None:
    """A file descriptor that locks the place's folder until it is closed.

    A lock dies with its process, so it tells a killed writer from a busy one. None where
    there is none to be had: not on a local disk, or on one without locks. `InputError` if
    somebody else has it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    if place.folder is None or not os.path.isdir(place.folder):
        return None
    with explained(f"{place.name} cannot be opened"):
        folder = os.open(place.folder, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise InputError(
            f"{place.name} is open for writing already, here or in another process: close "
            "that store first. Reading it meanwhile is fine."
        ) from None
    except OSError:
        os.close(folder)
        return None
    return folder


def clear_leftovers(place: Place) -> None:
    """Remove half-written files of a writer that was killed.

    TensorStore writes into such a file without emptying it first: what it then renames is
    the new text followed by the end of the old one.
    """
    if place.folder is not None:
        folder = pathlib.Path(place.folder)
        for pattern in (f"*{leftover}", f"*/*{leftover}"):
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)


def check_claim(place: Place, record: Record, locked: bool, take_over: bool) -> None:
    """Raise `InputError` if the record names a writer that may still be at work."""
    if record.writer is not None and not locked and not take_over:
        raise InputError(
            f"{place.name} is being written by {describe(record.writer)}. If that is no "
            "longer so, as after a crash, open it with take_over=True."
        )


def new_claim() -> dict[str, Any]:
    """Who this writer is, as the record keeps it while it writes."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    who = {"host": socket.gethostname(), "process": os.getpid(), "since": now}
    return {"id": uuid.uuid4().hex, **who}


def describe(claim: Any) -> str:
    """A claim in words."""
    known = claim if isinstance(claim, dict) else {}
    process, host, since = (known.get(k, "?") for k in ("process", "host", "since"))
    return f"process {process} on {host} since {since}"
