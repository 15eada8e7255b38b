"""MTCNN (Zhang et al., 2016): three networks in a row, each of which looks at what the one before let pass.

Networks, weights and arithmetic are facenet-pytorch's, and so is what is found. Its own loop cuts and shrinks
candidates one by one, which costs as much as the networks do. Here the sums over all pixels above and to the left of
each are kept (Viola and Jones, 2001): the mean over any rectangle is a difference of four of them.
"""

from dataclasses import dataclass

import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from facenet_pytorch.models.utils.detect_face import batched_nms_numpy, bbreg, generateBoundingBox, rerec
from torch import Tensor, nn
from torchvision.ops.boxes import batched_nms

from lowkeyd.attack.layers import Halving, Rectifier

_CELL_PX, _REFINED_PX, _DECIDED_PX = 12, 24, 48
"""What each network looks at."""
PROPOSED, _REFINED, _DECIDED = 0.6, 0.7, 0.7
"""How sure each has to be."""
_SHRINK = 0.709
"""From one size of the picture to the next: half the area."""
_OVERLAP, _OVERLAP_AT_ONE_SIZE = 0.7, 0.5
"""Boxes that share more than that are of one face."""
_BATCH = 512
_LOW_PIXELS = (2**16 - 1) // 255
"""So many pixels' sum fits into 16 bits."""


@dataclass(frozen=True)
class Found:
    """K faces: boxes (K x 5: left, top, right, bottom, probability), landmarks (K x 5 x 2), and in which pictures."""

    boxes: Tensor
    landmarks: Tensor
    pictures: Tensor


class Cascade:
    """The three networks on one device."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._propose, self._refine, self._decide = (
            network.eval().to(device).to(memory_format=torch.channels_last) for network in (_sliding(), RNet(), ONet())
        )

    @torch.inference_mode()
    def find(self, pictures: Tensor, min_face_px: int, proposed: float = PROPOSED) -> Found:
        """Faces in pictures of one size, N x H x W x 3 uint8, no side of which is smaller than the smallest face;
        `proposed` is how sure the first network has to be."""
        sums = _Sums(pictures.to(self._device))
        boxes, of = sums.inside(*self._proposed(sums, min_face_px, proposed))
        if len(boxes):
            boxes, of = sums.inside(*self._refined(sums, boxes, of))
        if not len(boxes):
            return Found(boxes, boxes.new_zeros((0, 5, 2)), of)
        return self._decided(sums, boxes, of)

    def _proposed(self, sums: "_Sums", min_face_px: int, sure: float) -> tuple[Tensor, Tensor]:
        """Boxes of every size: the first network slides over the pictures in each of their sizes."""
        at_each = [self._at(sums, scale, sure) for scale in _scales(min(sums.size), min_face_px)]
        boxes, of = _thinned(_OVERLAP, *(torch.cat(parts) for parts in zip(*at_each, strict=True)))
        sides = boxes[:, 2:4] - boxes[:, :2]
        moved = boxes[:, :4] + boxes[:, 5:] * sides.repeat(1, 2)
        squares: Tensor = rerec(torch.cat([moved, boxes[:, 4:5]], 1))
        return squares, of

    def _at(self, sums: "_Sums", scale: float, sure: float) -> tuple[Tensor, ...]:
        answers = self._propose(_symmetric(sums.resized(scale)))
        probabilities = answers[:, :2].softmax(1)[:, 1]
        return _thinned(_OVERLAP_AT_ONE_SIZE, *generateBoundingBox(answers[:, 2:], probabilities, scale, sure))

    def _refined(self, sums: "_Sums", boxes: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        moves, probabilities = _seen(self._refine, sums, boxes, of, _REFINED_PX)
        passed, boxes = _passed(boxes, probabilities, _REFINED)
        boxes, of, moves = _thinned(_OVERLAP, boxes, of[passed], moves[passed])
        squares: Tensor = rerec(bbreg(boxes, moves))
        return squares, of

    def _decided(self, sums: "_Sums", boxes: Tensor, of: Tensor) -> Found:
        moves, points, probabilities = _seen(self._decide, sums, boxes, of, _DECIDED_PX)
        passed, boxes = _passed(boxes, probabilities, _DECIDED)
        sides = boxes[:, None, 2:4] - boxes[:, None, :2] + 1
        landmarks = sides * points[passed].view(-1, 2, 5).transpose(1, 2) + boxes[:, None, :2] - 1
        of, boxes = of[passed], bbreg(boxes, moves[passed])
        kept = batched_nms_numpy(boxes[:, :4], boxes[:, 4], of, _OVERLAP, "Min")
        return Found(boxes[kept], landmarks[kept], of[kept])


class _Sums:
    """Pictures, N x H x W x 3, as sums from their top left corner, N x (W + 1) x (H + 1) x 3: summed up along rows in
    memory, which is ten times faster than across them. Once more with 16 bits, which overflow: what is between two of
    them is still true for rectangles of few pixels, at half the memory to go through."""

    def __init__(self, pictures: Tensor) -> None:
        self.size = pictures.shape[1:3]
        height, width = self.size
        self._sums = pictures.new_zeros((len(pictures), width + 1, height + 1, 3), dtype=torch.int32)
        across = pictures.cumsum(2, dtype=torch.int32).transpose(1, 2)
        torch.cumsum(across, 2, dtype=torch.int32, out=self._sums[:, 1:, 1:])
        self._low = self._sums.to(torch.int16)

    def resized(self, scale: float) -> Tensor:
        """The pictures in another size, each pixel the mean of those it covers: N x 3 x h x w."""
        (top, bottom), (left, right) = (
            _parts(torch.tensor([0, length], device=self._sums.device), int(length * scale + 1)) for length in self.size
        )
        area = (bottom - top)[:, None] * (right - left)
        sums = self._low if area.max() <= _LOW_PIXELS else self._sums
        columns = _between(sums, left, right, 1).transpose(1, 2).contiguous()  # whole rows are faster to pick
        total = _between(columns, top, bottom, 1)
        return _means(total.view(torch.uint16).float() if sums is self._low else total, area)

    def inside(self, boxes: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes that share a pixel with their picture."""
        corners = self._corners(boxes)
        meet = (corners[:, 2:] > corners[:, :2]).all(1)
        return boxes[meet], of[meet]

    def cut(self, boxes: Tensor, of: Tensor, size_px: int) -> Tensor:
        """What is inside of both box and picture, in one size: K x 3 x size_px x size_px."""
        corners = self._corners(boxes)
        left, right = _parts(corners[:, 0::2], size_px)
        top, bottom = _parts(corners[:, 1::2], size_px)
        columns, rows = self._sums.shape[1:3]
        pixels = self._sums.view(-1, 3)

        def at(x: Tensor, y: Tensor) -> Tensor:  # by one running number: three indices take three times as long
            number = ((of[:, None] * columns + x) * rows)[:, None] + y[:, :, None]  # (K, size_px, size_px)
            return pixels.index_select(0, number.view(-1))

        total = at(right, bottom).sub_(at(left, bottom)).sub_(at(right, top)).add_(at(left, top))
        area = (bottom - top)[:, :, None] * (right - left)[:, None]
        return _means(total.view(*area.shape, 3), area)

    def _corners(self, boxes: Tensor) -> Tensor:
        """K x 4: left, top and, past the last pixel, right, bottom. Boxes count pixels from 1."""
        height, width = self.size
        corners = boxes[:, :4].long()
        end = torch.tensor([width, height], device=corners.device)
        return torch.cat([corners[:, :2].clamp(min=1) - 1, corners[:, 2:].minimum(end)], 1)


def _sliding() -> nn.Module:
    """The first network, which takes most of the time, with quicker layers: N x 3 x H x W in, and for each place it
    looked at no face, a face, and how its box has to move out, N x 6 x h x w."""
    network = PNet()
    answers = nn.Conv2d(32, 6, 1)
    ways = (network.conv4_1, network.conv4_2)
    answers.weight = nn.Parameter(torch.cat([way.weight for way in ways]))
    answers.bias = nn.Parameter(torch.cat([way.bias for way in ways]))
    first = (network.conv1, Rectifier(network.prelu1.weight), Halving())
    return nn.Sequential(*first, network.conv2, network.prelu2, network.conv3, network.prelu3, answers)


def _scales(side: int, min_face_px: int) -> list[float]:
    """Sizes at which faces fill a cell, from the smallest that is looked for to the largest possible."""
    scales = [_CELL_PX / min_face_px]
    while side * scales[-1] * _SHRINK >= _CELL_PX:
        scales.append(scales[-1] * _SHRINK)
    return scales


def _parts(stretch: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Stretches (... x 2: first pixel, past the last) in `count` parts, which share pixels where they must: the first
    of each part, and the one past its last (... x count)."""
    first, past = stretch[..., :1], stretch[..., 1:]
    number, length = torch.arange(count, device=stretch.device), past - first
    return first + number * length // count, first - (-(number + 1) * length // count)


def _between(sums: Tensor, first: Tensor, past: Tensor, dim: int) -> Tensor:
    """Sums of parts of one dimension."""
    return sums.index_select(dim, past).sub_(sums.index_select(dim, first))


def _means(total: Tensor, area: Tensor) -> Tensor:
    """Of sums, N x h x w x 3, as N x 3 x h x w. The channels stay together in memory: pools are four times as fast."""
    return (total / area[..., None]).permute(0, 3, 1, 2)


def _symmetric(levels: Tensor) -> Tensor:
    """0..255 as these networks want it."""
    return (levels - 127.5) / 128


def _thinned(overlap: float, boxes: Tensor, of: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The best of boxes that overlap more than that in one picture, and what belongs to them."""
    kept = batched_nms(boxes[:, :4], boxes[:, 4], of, overlap)
    return (boxes[kept], of[kept], *(other[kept] for other in others))


def _seen(network: nn.Module, sums: _Sums, boxes: Tensor, of: Tensor, size_px: int) -> tuple[Tensor, ...]:
    """What a network says about boxes, some hundreds at a time."""
    parts = [
        network(_symmetric(sums.cut(boxes[start : start + _BATCH], of[start : start + _BATCH], size_px)))
        for start in range(0, len(boxes), _BATCH)
    ]
    return tuple(torch.cat(answers) for answers in zip(*parts, strict=True))


def _passed(boxes: Tensor, probabilities: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Which boxes do, and they, with their new probabilities."""
    passed = probabilities[:, 1] > threshold
    return passed, torch.cat([boxes[passed, :4], probabilities[passed, 1:]], 1)
