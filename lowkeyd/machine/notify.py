"""systemd's readiness protocol (sd_notify(3)): one datagram to the socket that it names."""

import contextlib
import os
import socket

_PATIENCE_S = 2.0
"""A manager that is too busy to listen may miss a sign of life, but not hold up the daemon."""


def notify(message: str) -> None:
    """Send `READY=1` and the like. Does nothing when the service manager did not ask for it, or does not listen."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection, contextlib.suppress(OSError):
        connection.settimeout(_PATIENCE_S)
        connection.sendto(message.encode(), address)
