"""What `status` says about folders and holds: why anything waits that is not a photo's own fault."""

from rich.text import Text

from lowkeyd.model import readable
from lowkeyd.status import Status


def lines(status: Status) -> list[Text]:
    """One for each folder that is offline or not wholly watched."""
    if not status.alive:
        return []
    return [line for watch, root in status.roots.items() if (line := _root(readable(watch), root)) is not None]


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
