"""At which distance a network takes two faces for one person: where one in a thousand pairs of strangers is accepted.

    uv run python benchmarks/thresholds.py PEOPLE --network dlib --network mobilefacenet --models FOLDER

PEOPLE holds a folder of photos for each person, or photos named PERSON_1.jpg, PERSON_2.jpg and so on. Of each photo
the face nearest its middle counts. Everybody's first photo against everybody else's gives the threshold at the false
accept rate; all pairs of one person give the true accept rate there. What comes out is what `lowkeyd models add
--threshold` takes.
With --centres, the mean of the unit embeddings is written to FOLDER/NETWORK_centre.npy.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lowkeyd import config
from lowkeyd.attack.detect import Detector
from lowkeyd.attack.networks import face_network
from lowkeyd.attack.verify import Embeddings, embeddings
from lowkeyd.errors import PhotoError
from lowkeyd.imaging.decode import Limits, decode
from lowkeyd.model import PHOTO_SUFFIXES, Face, Place


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--network", action="append", required=True, help="can be given several times")
    parser.add_argument("--models", type=Path, default=config.Attack().models)
    parser.add_argument("--far", type=float, default=1e-3)
    parser.add_argument("--centres", type=Path)
    chosen = parser.parse_args()
    people, places = gather(chosen.people)
    print(f"{len(set(people))} people, {len(places)} photos with a face")
    for name in chosen.network:
        network = face_network.load(name, chosen.models, "cpu")
        found = embeddings(network, places, "cpu")
        report(network, found, np.array(people), chosen.far)
        if chosen.centres:
            np.save(chosen.centres / f"{name}_centre.npy", unit(found).mean(0))


def gather(root: Path) -> tuple[list[str], list[Place]]:
    """Each face, and whose it is."""
    detector = Detector("cpu")
    people, places = [], []
    for path in sorted(path for path in root.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES):
        try:
            photo = decode(path.read_bytes(), Limits(100, 200)).pixels
        except PhotoError as error:
            print(f"{path}: {error}")
            continue
        height, width, _ = photo.shape
        faces = sorted(detector.find(photo), key=lambda face: off_middle(face, width / 2, height / 2))
        people += [path.stem.rpartition("_")[0] if path.parent == root else path.parent.name for _ in faces[:1]]
        places += [(photo, face) for face in faces[:1]]
    return people, places


def off_middle(face: Face, x: float, y: float) -> float:
    """How far a face lies from a point, in pixels."""
    left, top, right, bottom = face.box
    return float(np.hypot((left + right) / 2 - x, (top + bottom) / 2 - y))


def report(network: face_network.FaceNetwork, found: Embeddings, people: npt.NDArray[np.str_], far: float) -> None:
    """One line for a network."""
    _, gallery = np.unique(people, return_index=True)
    _, strangers = pairs(found[gallery], people[gallery])
    same, _ = pairs(found, people)
    at = float(np.quantile(strangers, far))
    print(
        f"{network.name}: threshold {at:.4f} at a false accept rate of {far:g} ({len(strangers):,} pairs of strangers);"
        f" true accept rate there {(same < at).mean():.4f} ({len(same):,} pairs of one person)"
    )
    known = network.threshold
    print(
        f"  in the catalogue: {known:g}, where they are {(strangers < known).mean():.5f}, {(same < known).mean():.4f}"
    )


def pairs(found: Embeddings, people: npt.NDArray[np.str_]) -> tuple[Embeddings, Embeddings]:
    """Distances between faces of one person, and between those of two."""
    first, second = np.triu_indices(len(found), 1)
    distances: Embeddings = np.linalg.norm(found[first] - found[second], axis=1)
    alike = people[first] == people[second]
    return distances[alike], distances[~alike]


def unit(found: Embeddings) -> Embeddings:
    """Embeddings by their direction alone."""
    directions: Embeddings = found / np.linalg.norm(found, axis=1, keepdims=True)
    return directions


if __name__ == "__main__":
    main()
