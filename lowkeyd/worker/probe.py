"""What only a process with torch can say: whether the networks load here, and on which devices.

`python -m lowkeyd.worker.probe CONFIG [DEVICE]` prints it as JSON, for `lowkeyd doctor` and for a reload, which never
load torch themselves. With a device, what does not load there is an error, and so is a device that is not to be had.
"""

import json
import sys
from pathlib import Path
from typing import Any

from lowkeyd import config
from lowkeyd.errors import LowkeydError


def probe(settings: config.Config) -> dict[str, Any]:
    """Load everything that a worker loads, on every device."""
    devices = {device: _load(settings, device) for device in settings.attack.devices}
    return {"torch": sys.modules["torch"].__version__, "devices": devices}


def _load(settings: config.Config, device: str) -> dict[str, str]:
    from lowkeyd.worker.protect import Protector

    try:
        return {"is": str(Protector(settings, device).device)}
    except LowkeydError as error:
        return {"error": str(error)}


def _missing(settings: config.Config) -> str | None:
    from lowkeyd.attack.engine import resolved

    try:
        for device in settings.attack.devices:
            resolved(device)
    except LowkeydError as error:
        return str(error)
    return None


def _main(path: Path, device: str | None) -> str | None:
    settings = config.load(path)
    if device is not None:
        return _load(settings, device).get("error") or _missing(settings)
    json.dump(probe(settings), sys.stdout)
    return None


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), next(iter(sys.argv[2:]), None)))
