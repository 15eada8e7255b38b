"""What `status` says about folders and holds: why anything waits that is not a photo's own fault."""

from typing import Any

from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.model import readable
from lowkeyd.status import Status


def lines(status: Status) -> list[Text]:
    """One for what holds all work, and one for each folder that is offline or not wholly watched."""
    if not status.alive or status.photos.daemon is None:
        return []
    hold = status.photos.daemon.get("hold")
    held = [_hold(hold)] if hold else []
    return held + [line for watch, root in status.roots.items() if (line := _root(readable(watch), root)) is not None]


def _hold(hold: dict[str, Any]) -> Text:
    until = f", until {shown.moment(hold['until'])}" if hold["until"] else ""
    words = {"paused": "Paused: ", "quiet": "Waiting: ", "space": "Waiting: "}
    return Text(f"{words[hold['kind']]}{readable(hold['reason'])}{until}.", "yellow")


def _root(watch: str, root: dict[str, object]) -> Text | None:
    if root.get("offline"):
        why = readable(str(root["offline"]))
        return Text(f"{watch} is offline: {why}. Its photos wait until it is back.", "yellow")
    watched, folders = root.get("watched"), root.get("folders")
    if root.get("mode") == "events" and watched != folders:
        return Text(
            f"{watch}: watching {watched} of {folders} folders, scans find the rest; "
            "raise fs.inotify.max_user_watches for quicker notice.",
            "yellow",
        )
    if root.get("mode") == "scan":
        return Text(f"{watch}: scans only, since {readable(str(root['reason']))}.", "dim")
    return None
