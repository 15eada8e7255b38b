"""What the configuration says about the disk, held against the disk."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lowkeyd.config import Config, Watch
from lowkeyd.errors import ConfigError
from lowkeyd.intake import outbox_disk
from lowkeyd.machine import mounts
from lowkeyd.store import location, snapshot

_SOCKET_PATH_BYTES = 107
"""Linux refuses longer addresses of Unix sockets, and the control socket lies in the state folder."""


def check_folders(settings: Config) -> None:
    """Look at the disk: watched folders and the outbox exist, may be read, and none of the trees feeds another.

    What was watched before, and the outbox, may be on a disk that is away. Symbolic links are followed first. Raises
    ConfigError, naming every fault.
    """
    outbox, state = settings.outbox.path, settings.state.path
    known = {name: path for name, (path, _) in snapshot.known_roots(location.database(state)).items()}
    named = [(f"[[watch]] {watch.name}", watch.name, watch.path) for watch in settings.watch]
    named.append(("[outbox] path", outbox_disk.NAME, outbox))
    new = [(title, path) for title, name, path in named if known.get(name) != os.fsencode(path)]
    faults = [f"{title}: {fault}: {path}" for title, path in new if (fault := _folder_fault(path))]
    faults += _links_back(outbox, settings.watch)
    faults += _overlaps([*((title, path) for title, _, path in named), ("[state] path", state)])
    if len(os.fsencode(location.control_socket(state))) > _SOCKET_PATH_BYTES:
        faults.append(f"[state] path: too long for a control socket: {state}")
    if (kind := mounts.kind(state)) in mounts.NETWORK:
        faults.append(f"[state] path: on a network drive ({kind}), where SQLite loses data: {state}")
    if faults:
        raise ConfigError("; ".join(faults))


def _folder_fault(path: Path) -> str | None:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        is_folder = False
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not is_folder:
        return "no such folder"
    return None if os.access(path, os.R_OK | os.X_OK) else "may not be read"


def _links_back(outbox: Path, watches: Iterable[Watch]) -> Iterator[str]:
    """Links in the outbox by which copies would come into a watched tree."""
    watched = [Path(os.path.realpath(watch.path)) for watch in watches]
    for album in (outbox / watch.name for watch in watches):
        leads_to = Path(os.path.realpath(album))
        if os.path.islink(album) and any(leads_to.is_relative_to(tree) for tree in watched):
            yield f"[outbox] path, {album.name} in it, leads to {leads_to}, into a watched tree"


def _overlaps(named: Iterable[tuple[str, Path]]) -> Iterator[str]:
    trees = [(title, Path(os.path.realpath(path))) for title, path in named]
    for position, (title, tree) in enumerate(trees):
        for other_title, other in trees[position + 1 :]:
            if tree.is_relative_to(other) or other.is_relative_to(tree):
                yield f"{title} ({tree}) and {other_title} ({other}) must not lie inside one another"
