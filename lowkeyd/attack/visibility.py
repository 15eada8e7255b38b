"""How visible a change is: four measures side by side, because each alone can be bought off.

On the face box: the square centred on the landmarks' mean, 4 interocular distances wide, clipped to the photo.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lowkeyd.attack.crop import Square, resize
from lowkeyd.attack.filters import gaussian
from lowkeyd.attack.perceptual import Perceptual
from lowkeyd.attack.pixels import LUMA, channel, to_tensor
from lowkeyd.model import Face, Pixels, Visibility

BOX_SIDE = 4.0
_BOX_PX = 160
_SSIM_PX = 256
_WINDOW = 11
_WINDOW_SIGMA_PX = 1.5
_IDENTICAL_DB = 100.0
"""PSNR of identical pictures is infinite, which JSON cannot say."""
_CB = (-0.168736, -0.331264, 0.5)
_CR = (0.5, -0.418688, -0.081312)  # BT.601


@torch.inference_mode()
def measure(original: Pixels, protected: Pixels, face: Face, perceptual: Perceptual, device: str) -> Visibility:
    """Compare one face's box in two versions of a photo."""
    (rows, columns), _ = Square.around(face, BOX_SIDE).overlap(original.shape)
    boxes = [to_tensor(photo[rows, columns], device) for photo in (original, protected)]  # (1, 3, h, w)
    a, b = (resize(box, _BOX_PX) for box in boxes)
    features = perceptual.features(torch.cat([a, b]))
    return Visibility(
        lpips=float(perceptual.distance([layer[:1] for layer in features], [layer[1:] for layer in features])),
        psnr_db=_psnr(a, b),
        ssim=ssim(*(channel(_at_viewing_size(box), LUMA) for box in boxes)),
        chroma=_chroma(a, b),
    )


def _psnr(a: Tensor, b: Tensor) -> float:
    error = float((a - b).square().mean())
    return _IDENTICAL_DB if error == 0 else min(_IDENTICAL_DB, -10 * float(np.log10(error)))


def _at_viewing_size(x: Tensor) -> Tensor:
    """Averaged to about 256 pixels a side, as the authors of SSIM advise: in the pixels of a large face hardly anything
    is ever seen."""
    factor = max(1, round(min(x.shape[-2:]) / _SSIM_PX))
    return F.avg_pool2d(x, factor)


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) of 1 x 1 x H x W in [0, 1], 11 x 11 Gaussian window of 1.5 pixels."""
    if min(a.shape[-2:]) < _WINDOW:
        return float(torch.equal(a, b))
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def _blur(x: Tensor) -> Tensor:
    """Without padding, so that only whole windows count. As sums of shifted copies: convolutions of a single channel
    take ten times as long."""
    line = gaussian(_WINDOW, _WINDOW_SIGMA_PX)[_WINDOW // 2].tolist()
    for dim in (-2, -1):
        length = x.shape[dim] - _WINDOW + 1
        blurred = x.narrow(dim, 0, length) * line[0]
        for offset in range(1, _WINDOW):
            blurred.add_(x.narrow(dim, offset, length), alpha=line[offset])
        x = blurred
    return x


def _chroma(a: Tensor, b: Tensor) -> float:
    """Visible tint is low-frequency colour: mean absolute difference of Cb and Cr, 0..255, after 8 x 8 averaging."""
    planes = [F.avg_pool2d(channel(b - a, weights), 8) for weights in (_CB, _CR)]
    return 255.0 * float(torch.stack(planes).abs().mean())
