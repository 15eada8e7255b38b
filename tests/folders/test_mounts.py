import subprocess
import sys
from pathlib import Path

import pytest

from lowkeyd.folders import mounts
from tests.home import REPOSITORY, needs_namespaces

TABLE = [
    "21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "40 21 0:40 / /srv/photos rw shared:7 - nfs4 nas:/photos rw,vers=4.2",
    "41 40 0:41 / /srv/photos/phone rw - fuse.sshfs phone:/ rw",
    r"42 21 0:42 / /mnt/my\040disk rw - cifs //nas/share rw",
    "43 21 8:1 / /mnt/twice rw - ext4 /dev/sda1 rw",
    "44 43 0:44 / /mnt/twice rw - tmpfs none rw",
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"), ("/home/ada", "ext4"), ("/srv/photos", "nfs4"), ("/srv/photos/2024", "nfs4"),
        ("/srv/photos2", "ext4"), ("/srv/photos/phone/DCIM", "fuse.sshfs"), ("/mnt/my disk/a", "cifs"),
        ("/mnt/twice", "tmpfs"),
    ],
)  # fmt: skip
def test_the_deepest_and_last_mount_on_the_way_decides(path: str, kind: str) -> None:
    assert mounts.kind_in(TABLE, path) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse", "overlay", "9p", "virtiofs", ""])
def test_where_others_write_too_events_are_not_relied_upon(kind: str) -> None:
    assert not mounts.tells_of_writes(kind)


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "xfs", "zfs", "tmpfs", "exfat"])
def test_local_disks_tell_of_every_write(kind: str) -> None:
    assert mounts.tells_of_writes(kind)


@needs_namespaces()
def test_an_overlay_is_known_for_what_it_is_also_behind_a_link(tmp_path: Path) -> None:
    program = "import sys, pathlib; from lowkeyd.folders import mounts; print(mounts.kind(pathlib.Path(sys.argv[1])))"
    script = (
        'mount -t tmpfs none "$1" && cd "$1" && mkdir lower upper work merged && ln -s merged link &&'
        "mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 9;"
        'exec "$2" -c "$3" "$1/link"'
    )
    result = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", str(tmp_path), sys.executable, program],
        cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode == 9:
        pytest.skip(f"overlays are not allowed here: {result.stderr}")
    assert result.stdout == "overlay\n", result.stderr
