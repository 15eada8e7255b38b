"""Reads checkpoints, files of named tensors from other people, without running anything that stands in them."""

import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lowkeyd.errors import WeightsError

Tensors = Mapping[str, Tensor]

_MAX_HEADER_BYTES = 100_000_000
_SAFETENSORS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
                "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8, "BOOL": torch.bool}  # fmt: skip
_COUNTERS = "num_batches_tracked"
"""Batch norms of older torch lack it, and only training needs it."""
_NAMED = 3
"""So many of the keys that do not fit are named."""


def fit(make: Callable[[Tensors], nn.Module], content: bytes, source: Path, kind: str) -> nn.Module:
    """The network that `make` lays out after the checkpoint's tensors, filled with them, in float32.

    `make` raises KeyError for a layout that it does not know. Raises WeightsError, which says that it is no `kind`.
    """
    tensors = read(content, source)
    try:
        with torch.device("meta"):  # the weights come from the checkpoint: random ones would only cost time
            network = make(tensors)
    except KeyError as error:
        raise WeightsError(f"{source}: not {kind}: {error.args[0]}") from error
    if faults := _faults(network, tensors):
        raise WeightsError(f"{source}: not {kind}: {faults}")
    network.load_state_dict(tensors, assign=True)
    return network


def _faults(network: nn.Module, tensors: Tensors) -> str:
    """What does not fit, in words; nothing if all does."""
    own = {name: value for name, value in network.state_dict().items() if not name.endswith(_COUNTERS)}
    wanted = {name: value.shape for name, value in own.items()}
    found = {name: value.shape for name, value in tensors.items() if not name.endswith(_COUNTERS)}
    faults = {
        "lacks": sorted(wanted.keys() - found.keys()),
        "has besides": sorted(found.keys() - wanted.keys()),
        "has in another shape": sorted(name for name in wanted.keys() & found.keys() if wanted[name] != found[name]),
        "has as no plain numbers": sorted(
            name for name in own.keys() & found.keys() if own[name].is_floating_point() and not _is_plain(tensors[name])
        ),
    }
    return "; ".join(f"it {what} {_some(names)}" for what, names in faults.items() if names)


def _is_plain(values: Tensor) -> bool:
    """Not quantised, sparse, complex or without a place in memory."""
    return values.is_floating_point() and values.layout == torch.strided and not values.is_meta


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def read(content: bytes, source: Path) -> dict[str, Tensor]:
    """The tensors of a file of torch's or a safetensors file, floating-point ones as float32.

    Names lose what all of them begin with, such as `module.` or `net.`. Raises WeightsError.
    """
    try:
        tensors = _safetensors(content) if _is_safetensors(content) else _torch(content)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError,
            IndexError, OverflowError) as error:  # fmt: skip
        raise WeightsError(f"{source}: not a checkpoint: {_first_sentence(error)}") from error
    if not tensors:
        raise WeightsError(f"{source}: not a checkpoint: no named tensors are in it")
    return _without_prefix({name: value.float() if value.is_floating_point() else value for name, value in tensors})


def _first_sentence(error: Exception) -> str:
    """torch explains at length what its user, who is not ours, could do."""
    return str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__


def _torch(content: bytes) -> list[tuple[str, Tensor]]:
    """Tensors stand at the top of the file, or in a dictionary beside what only training needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about formats, to people who write them
        stored: Any = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(stored, Mapping):
        raise ValueError(f"it holds a {type(stored).__name__}, not named tensors")
    groups = [stored, *(value for value in stored.values() if isinstance(value, Mapping))]
    tensors = [[(str(name), value) for name, value in group.items() if isinstance(value, Tensor)] for group in groups]
    return max(tensors, key=len)


def _is_safetensors(content: bytes) -> bool:
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= min(len(content), _MAX_HEADER_BYTES)


def _safetensors(content: bytes) -> list[tuple[str, Tensor]]:
    """A length, a JSON table of that length, and the tensors' bytes: github.com/huggingface/safetensors."""
    start = 8 + int.from_bytes(content[:8], "little")
    table = json.loads(content[8:start])
    return [(name, _tensor(content, start, row)) for name, row in table.items() if name != "__metadata__"]


def _tensor(content: bytes, start: int, row: dict[str, Any]) -> Tensor:
    begin, end = row["data_offsets"]
    # A copy, since torch wants memory that it may write to.
    values = torch.frombuffer(bytearray(content[start + begin : start + end]), dtype=_SAFETENSORS[row["dtype"]])
    return values.reshape(row["shape"])


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    first, dot, _ = next(iter(tensors)).partition(".")
    if not dot or not all(name.startswith(first + dot) for name in tensors):
        return tensors
    return _without_prefix({name.removeprefix(first + dot): value for name, value in tensors.items()})


def stages(tensors: Tensors, pattern: str) -> tuple[int, ...]:
    """How many blocks each of four stages has, counted by the names of one of their tensors: `{stage}`, `{index}`."""
    names = [[pattern.format(stage=stage, index=index) for index in range(len(tensors))] for stage in range(1, 5)]
    return tuple(sum(name in tensors for name in of_stage) for of_stage in names)
