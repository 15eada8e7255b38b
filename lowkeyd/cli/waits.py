"""What `status` says about folders and holds: why anything waits that is not a photo's own fault."""

from rich.text import Text

from lowkeyd.cli import shown
from lowkeyd.model import readable
from lowkeyd.monitor.status import Status


def lines(status: Status) -> list[Text]:
    """One for what holds all work, for each GPU that cannot be shared, and for each folder that is offline or not
    wholly watched."""
    if not status.alive or status.photos.daemon is None:
        return []
    faults = dict.fromkeys(worker.get("fault") for worker in status.photos.daemon["workers"])
    refused = status.config_refused
    settings = (
        Text(f"The configuration was refused, the old one is in force: {readable(refused)}.", "red")
        if refused
        else None
    )
    told = [settings, hold(status), *(Text(f"{readable(fault)}.", "yellow") for fault in faults if fault)]
    told += [_root(readable(watch), root) for watch, root in status.roots.items()]
    told += [
        Text(f"{readable(watch)}: folders that cannot be read, and are passed over: {', '.join(folders)}.", "yellow")
        for watch, folders in status.refused.items()
    ]
    return [line for line in told if line is not None]


def hold(status: Status) -> Text | None:
    """What holds all work of a daemon that runs."""
    told = status.hold
    if told is None:
        return None
    until = f", until {shown.moment(told['until'])}" if told["until"] else ""
    word = "Paused" if told["kind"] == "paused" else "Waiting"
    return Text(f"{word}: {readable(told['reason'])}{until}.", "yellow")


def _root(watch: str, root: dict[str, object]) -> Text | None:
    if root.get("offline"):
        why = readable(str(root["offline"]))
        return Text(f"{watch} is offline: {why}. Its photos wait until it is back.", "yellow")
    watched, folders, linked = (int(str(root.get(key) or 0)) for key in ("watched", "folders", "linked"))
    if root.get("mode") == "events" and watched < folders <= watched + linked:
        what = f"{folders - watched} of {folders} folders lie behind links, which give no events: scans look into them"
        return Text(f"{watch}: {what}.", "dim")
    if root.get("mode") == "events" and watched < folders:
        return Text(
            f"{watch}: watching {watched} of {folders} folders, scans find the rest; "
            "raise fs.inotify.max_user_watches for quicker notice.",
            "yellow",
        )
    if root.get("mode") == "scan":
        return Text(f"{watch}: scans only, since {readable(str(root['reason']))}.", "dim")
    return None
