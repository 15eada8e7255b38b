"""Decides when a file is completely written. Pure: it is told what was seen and what time it is."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lowkeyd.model import Signature

K = TypeVar("K", bound=Hashable)


@dataclass
class _Restless:
    signature: Signature
    still_since: float
    first_at: float


@dataclass
class Settling(Generic[K]):
    """Files that are not quiet yet, by any key.

    A file is ready when size and mtime have stood still for `quiet_s` seconds: by its own timestamps, which spares
    files that lay there before we looked, or else by our own watching, which holds where a server's clock is wrong.
    What is not quiet after `patience_s` goes on being watched, but nobody waits for it.
    Every event starts the wait again; a scan that comes by does not, or frequent scans would hold a file back for ever.
    """

    quiet_s: float
    patience_s: float = 60.0
    _restless: dict[K, _Restless] = field(default_factory=dict)

    def notice(self, key: K, signature: Signature, age_s: float, now: float, *, event: bool) -> bool:
        """An event or a scan found the file, last touched `age_s` ago. True if it is ready. `now` is monotonic."""
        if age_s >= self.quiet_s:
            self._restless.pop(key, None)
            return True
        known = self._restless.get(key)
        if event or known is None or known.signature != signature:
            self._restless[key] = _Restless(signature, now, now if known is None else known.first_at)
        return False

    def look_again(self, key: K, signature: Signature, now: float) -> bool:
        """A due file was looked at again. True if it has stood still and is ready."""
        file = self._restless[key]
        if file.signature != signature:
            self._restless[key] = _Restless(signature, now, file.first_at)
            return False
        if now - file.still_since < self.quiet_s:
            return False
        del self._restless[key]
        return True

    def forget(self, key: K) -> None:
        """The file is gone."""
        self._restless.pop(key, None)

    def due(self, now: float) -> list[K]:
        """Files to be looked at again now."""
        return [key for key, file in self._restless.items() if now - file.still_since >= self.quiet_s]

    def is_waited_for(self, now: float) -> bool:
        """Whether any will soon be quiet, by what is known: a camera may rewrite one file for ever."""
        return any(now - file.first_at < self.patience_s for file in self._restless.values())

    def __len__(self) -> int:
        return len(self._restless)
