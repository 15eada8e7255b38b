"""As `stand_in_daemon`, with less patience, on a disk that hangs when asked for `hang.jpg`; `break.jpg` is a defect."""

import time
from functools import partial

from lowkeyd import cli, daemon
from lowkeyd.folders.scan import Seen, Tree
from lowkeyd.intake import intake
from lowkeyd.work import dispatch
from tests.helpers import stand_in

STALE_S = 1.0

look = Tree.look


def look_or_hang(tree: Tree, path: bytes) -> Seen | None:
    if path == b"break.jpg":
        raise ZeroDivisionError("a defect, staged")
    while path == b"hang.jpg":
        time.sleep(60)
    return look(tree, path)


if __name__ == "__main__":
    Tree.look = look_or_hang
    daemon._STALE_S = STALE_S
    intake._IDLE_S = dispatch._LOOK_S = 0.1
    daemon.run = partial(daemon.run, serve=stand_in.serve)
    cli.main()
