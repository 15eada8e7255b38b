"""What is kept of a verdict."""

import json
from dataclasses import asdict, dataclass

from lowkeyd.model import Verdict


@dataclass(frozen=True)
class Judgement:
    """What is kept of a verdict: as JSON, and how strong it says the protection is; `fingerprint` stands for the
    settings that it was reached with."""

    verdict: str
    strength: str
    fingerprint: str
    seconds: float


def verdict_json(verdict: Verdict, **beside: str) -> str:
    """A verdict as it is kept in the database and shown by `explain --json`, with what else is to stand in it."""
    faces = [
        asdict(face)
        | {"strength": face.strength}
        | {"scores": [asdict(score) | {"accepted": score.accepted} for score in face.scores]}
        for face in verdict.faces
    ]
    known = {"strength": verdict.strength, "independent": verdict.independent, "preset": verdict.preset}
    tried = {} if verdict.tried is None else {"tried": verdict.tried}
    return json.dumps(known | tried | beside | {"faces": faces})
