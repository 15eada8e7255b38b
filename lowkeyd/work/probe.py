"""What only a process with torch can say: whether the networks load here, and which GPUs it sees.

`python -m lowkeyd.work.probe CONFIG` prints it as JSON, for `lowkeyd doctor`, which never loads torch itself.
"""

import json
import sys
from pathlib import Path
from typing import Any

from lowkeyd import config
from lowkeyd.errors import LowkeydError


def probe(settings: config.Config) -> dict[str, Any]:
    """Load everything that a worker loads, on every device."""
    from lowkeyd.work.protect import Protector

    devices = {device: _load(Protector, settings, device) for device in settings.attack.devices}
    return {"torch": sys.modules["torch"].__version__, "devices": devices}


def _load(protector: Any, settings: config.Config, device: str) -> dict[str, str]:
    try:
        return {"is": str(protector(settings, device).device)}
    except LowkeydError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    json.dump(probe(config.load(Path(sys.argv[1]))), sys.stdout)
