"""How many faces are optimised together: as many as pay, and as memory has room for."""

import torch

_AT_FIRST = 16
"""One by one costs twice as much per face; on a CPU more than this gains nothing."""
_MOST = 64
_SHARE = 0.8
"""Of free memory; other programs, and gaps between what is allocated, have the rest."""


class BatchSize:
    """`faces` is how many, for networks on `device`, torch's name. On a GPU each batch teaches how many fit."""

    def __init__(self, device: str) -> None:
        self.faces = _AT_FIRST
        self._gpu = torch.device(device) if device.startswith("cuda") else None
        self._held = 0

    def begin(self) -> None:
        """A batch is about to begin."""
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)
            self._held = torch.cuda.memory_allocated(self._gpu)

    def learn(self, faces: int) -> None:
        """A batch of so many went well: by what it took, that many fit into what is free now."""
        if self._gpu is None:
            return
        taken = torch.cuda.max_memory_allocated(self._gpu) - self._held
        free, _ = torch.cuda.mem_get_info(self._gpu)
        kept = torch.cuda.memory_reserved(self._gpu) - torch.cuda.memory_allocated(self._gpu)  # by torch, for us
        self.faces = max(1, min(_MOST, int(_SHARE * (free + kept) * faces / max(1, taken))))

    def halve(self, faces: int) -> bool:
        """Memory did not reach for so many. False if fewer cannot be."""
        self.faces = max(1, faces // 2)
        return faces > 1
