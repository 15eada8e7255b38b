"""Presets against the paper's loop as released, in one run: who is still found, and what is seen.

    uv run python benchmarks/protection.py PEOPLE --models FOLDER [--judge mobilefacenet] [--protect 100]

The protocol is that of `lowkeyd evaluate`. The paper's loop works on the whole photo here, as its script does: 50
signed steps of 0.0025, plain and blurred view, mirror images, LPIPS on the whole photo with the given weight. Shown are
the judge's shares for photos stored as JPEG 75; visibility twice, before the file is coded and as delivered.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from lowkeyd import config
from lowkeyd.attack import align, presets, views
from lowkeyd.attack.engine import Engine
from lowkeyd.attack.objective import Objective, squared
from lowkeyd.attack.pixels import to_tensor
from lowkeyd.evaluation.people import people
from lowkeyd.evaluation.protocol import Evaluated, Gallery, Protect
from lowkeyd.model import Face, Pixels, Visibility

STEPS, STEP_SIZE, START_NOISE = 50, 0.0025, 0.005
FORM = "JPEG 75"


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--models", type=Path, default=config.Attack().models)
    parser.add_argument("--ensemble", default=["dlib"], nargs="+")
    parser.add_argument("--judge", default=["mobilefacenet"], nargs="*")
    parser.add_argument("--protect", type=int, default=100)
    parser.add_argument("--preset", nargs="*", default=["subtle", "balanced", "strong"])
    parser.add_argument("--steps", type=int, help="for the presets, instead of their own: to compare at equal time")
    parser.add_argument("--weight", type=float, nargs="*", default=[0.2, 0.05], help="of LPIPS, in the paper's loop")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    if asked.steps:
        presets.PRESETS.update({name: replace(preset, steps=asked.steps) for name, preset in presets.PRESETS.items()})
    attack = config.Attack(ensemble=tuple(asked.ensemble), judges=tuple(asked.judge), models=asked.models.absolute())
    engine = Engine(attack, "auto", asked.threads)
    if asked.steps:  # which faces fall behind is known for the presets' own steps only
        engine.ensemble = [replace(network, reach=None) for network in engine.ensemble]
    gallery = Gallery(people(asked.people, None), engine, config.Config(attack=attack), lambda: None)
    chosen = gallery.choose(asked.protect)
    print(f"{len(chosen)} people protected in a gallery of {len(gallery)}; attacked: {', '.join(asked.ensemble)}")
    _tell(gallery.evaluate(chosen, "clean", None), None)
    kinds: list[tuple[str, Protect]] = [(f"paper, {weight}", _released(engine, weight)) for weight in asked.weight]
    kinds += [(preset, _preset(engine, preset)) for preset in asked.preset]
    for name, protect in kinds:
        before = _Before(engine, protect)
        _tell(gallery.evaluate(chosen, name, before), before.mean())


class _Before:
    """Protects, and remembers what is seen before the file is coded."""

    def __init__(self, engine: Engine, protect: Protect) -> None:
        self._engine, self._protect = engine, protect
        self._seen: list[Visibility] = []

    def __call__(self, photos: Sequence[Pixels], faces: Sequence[Sequence[Face]]) -> list[Pixels]:
        changed = self._protect(photos, faces)
        self._seen += [
            self._engine.visibility(photo, after, face)
            for photo, after, (face,) in zip(photos, changed, faces, strict=True)
        ]
        return changed

    def mean(self) -> Visibility:
        """Over all faces."""
        first = self._seen[0]
        return replace(first, **{name: float(np.mean([getattr(v, name) for v in self._seen])) for name in vars(first)})


def _preset(engine: Engine, preset: str) -> Protect:
    return lambda photos, faces: engine.protect(photos, faces, preset, lambda _done, _all: None)


def _released(engine: Engine, weight: float) -> Protect:
    return lambda photos, faces: released(engine, photos, [face for (face,) in faces], weight)


def released(engine: Engine, photos: Sequence[Pixels], faces: Sequence[Face], weight: float) -> list[Pixels]:
    """The released script's mathematics on whole photos, which have to be square and of one size, in one batch."""
    x = torch.cat([to_tensor(photo, engine.device) for photo in photos])
    objective = Objective(engine.ensemble, x, np.stack([align.points(face) for face in faces]), squared)
    both = views.paper(x.shape[-1], engine.device)
    noise = torch.rand((1, *x.shape[1:]), generator=torch.Generator().manual_seed(0)).to(x)
    delta = ((2 * noise - 1) * START_NOISE).repeat(len(x), 1, 1, 1)
    with torch.no_grad():
        clean = engine.perceptual.features(x)
    for _ in range(STEPS):
        delta.requires_grad_()
        x_adv = x + delta
        seen = engine.perceptual.distance(clean, engine.perceptual.features(x_adv))
        gain = objective.protection(x_adv, both) - weight * seen
        (gradient,) = torch.autograd.grad(gain.sum(), delta)
        delta = delta.detach() + STEP_SIZE * gradient.sign()
    levels = (x + delta).clamp(0, 1).permute(0, 2, 3, 1).mul(255).round().byte().cpu().numpy()
    return list(levels)


def _tell(result: Evaluated, before: Visibility | None) -> None:
    for seen in result.recognised:
        if seen.form == FORM:
            kind = "attacked" if seen.attacked else "judge"
            print(
                f"{result.protection:12}{seen.recogniser:16}{kind:10}"
                f"rank-1 {seen.rank_1:.2f}  rank-50 {seen.rank_50:.2f}  verified {seen.verified:.2f}"
                f"  log-rank {seen.log_rank:.3f}"
            )
    for stage, v in (("before coding", before), ("as delivered", result.visibility)):
        if v is not None:
            print(
                f"{'':12}{stage:16}face-LPIPS {v.lpips:.4f}  PSNR {v.psnr_db:.2f} dB"
                f"  SSIM {v.ssim:.4f}  chroma {v.chroma:.2f}  {result.seconds_per_face:.2f} s/face"
            )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
