"""How many faces are optimised together: as many as pay, and as memory has room for."""

import torch

from lowkeyd.machine import memory

_AT_FIRST = 16
"""One by one costs twice as much per face; on a CPU more than this gains nothing."""
_MOST = 64
_SHARE = 0.8
"""Of free memory; other programs, and gaps between what is allocated, have the rest."""
_FACE_BYTES, _PER_WEIGHT = 60e6, 0.35
"""What a face takes while it is optimised: LPIPS and views, and for each byte of the ensemble's weights so many for
what lies between its layers. Measured with four IR-152: 322 MB for 0.99 GB."""
_CALM = 50
"""After so many batches without want of memory, more is tried once more: others may have given some back."""


class BatchSize:
    """`faces` is how many, for networks on `device`, torch's name, with `weights_bytes` in all. On a GPU each batch
    teaches how many fit."""

    def __init__(self, device: str, weights_bytes: int) -> None:
        self._gpu = torch.device(device) if device.startswith("cuda") else None
        self._face_bytes = _FACE_BYTES + _PER_WEIGHT * weights_bytes
        self._most = _MOST
        self.faces = self._at_first = self._guess()
        self._calm = 0
        self._held = 0

    def _guess(self) -> int:
        free = memory.available_bytes() if self._gpu is None else torch.cuda.mem_get_info(self._gpu)[0]
        return max(1, min(_AT_FIRST, int(_SHARE * free / self._face_bytes)))

    def begin(self) -> None:
        """A batch is about to begin."""
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)
            self._held = torch.cuda.memory_allocated(self._gpu)

    def learn(self, faces: int) -> None:
        """A batch of so many went well: on a GPU, by what it took, that many fit into what is free now."""
        self._calm += 1
        if self._calm >= _CALM:
            self._most, self._calm, self._at_first = min(_MOST, 2 * self._most), 0, self._guess()
        self.faces = max(1, min(self._most, self._at_first if self._gpu is None else self._fitting(self._gpu, faces)))

    def _fitting(self, gpu: torch.device, faces: int) -> int:
        taken = torch.cuda.max_memory_allocated(gpu) - self._held
        free, _ = torch.cuda.mem_get_info(gpu)
        kept = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)  # by torch, for us
        return int(_SHARE * (free + kept) * faces / max(1, taken))

    def halve(self, faces: int) -> bool:
        """Memory did not reach for so many. False if fewer cannot be."""
        self.faces = self._most = max(1, faces // 2)
        self._calm = 0
        return faces > 1
