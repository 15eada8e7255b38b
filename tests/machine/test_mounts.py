import sys
from pathlib import Path

import pytest

from lowkeyd.machine import mounts
from tests.helpers import namespace
from tests.helpers.home import needs_namespaces

TABLE = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw,relatime shared:2 - nfs4 nas:/export rw,vers=4.2
31 30 8:17 / /mnt/nas/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/my\040photos rw - cifs //nas/photos rw
33 22 0:42 / /mnt/over rw - ext4 /dev/sdc1 rw
34 33 0:43 / /mnt/over rw master:3 - fuse.sshfs me@nas: rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/lowkeyd/state", "ext4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/deep/er", "nfs4"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/nas/local/state", "xfs"),
        ("/mnt/my photos/state", "cifs"),
        ("/mnt/over/state", "fuse.sshfs"),
    ],
)
def test_the_nearest_mount_counts_and_of_two_on_one_place_the_later(path: str, kind: str) -> None:
    assert mounts.kind_in(TABLE.splitlines(), path) == kind
    assert (kind in mounts.NETWORK) == (kind not in ("ext4", "xfs"))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/srv/outbox", "/srv/outbox"),
        ("/mnt/nas", "/"),
        ("/mnt/nas/local/out/deep", "/out/deep"),
        ("/mnt/my photos/out", "/out"),
        ("/mnt/bound/out", "/photos/shared/out"),
    ],
)
def test_where_a_path_lies_in_its_own_file_system(path: str, place: str) -> None:
    bound = "35 22 8:33 /photos/shared /mnt/bound rw - ext4 /dev/sdd1 rw"
    assert mounts.places_in([*TABLE.splitlines(), bound], path)[0] == place
    assert mounts.places_in([], path) == []


def test_below_a_mount_lies_what_would_be_there_without_it() -> None:
    assert mounts.places_in(TABLE.splitlines(), "/mnt/nas/local/out") == ["/out", "/local/out", "/mnt/nas/local/out"]
    automatic = "36 22 0:50 / /mnt/auto rw - autofs systemd-1 rw"
    assert mounts.places_in([*TABLE.splitlines(), automatic], "/mnt/auto/out") == []


def test_the_running_kernel_is_understood() -> None:
    assert mounts.kind(Path("/proc/self")) == "proc"


@needs_namespaces()
def test_a_mount_of_this_moment_is_seen(tmp_path: Path) -> None:
    ask = f"from lowkeyd.machine import mounts; from pathlib import Path; print(mounts.kind(Path('{tmp_path}/new')))"
    script = f"mount -t tmpfs none '{tmp_path}' && exec '{sys.executable}' -c \"{ask}\""
    result = namespace.shell(script)
    assert (result.stdout, result.stderr) == ("tmpfs\n", "")
