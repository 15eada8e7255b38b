"""systemd's readiness protocol (sd_notify(3)): one datagram to the socket that it names."""

import os
import socket


def notify(message: str) -> None:
    """Send `READY=1` and the like. Does nothing when the service manager did not ask for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.sendto(message.encode(), "\0" + address[1:] if address.startswith("@") else address)
