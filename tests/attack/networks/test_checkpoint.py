"""Checkpoints come from strangers: they are read, never run."""

import io
import json
import pickle
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lowkeyd.attack.networks import checkpoint
from lowkeyd.errors import WeightsError

TENSORS = {"first.weight": torch.arange(6.0).reshape(2, 3), "second.bias": torch.tensor([1.5, -2.0])}


def saved(stored: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(stored, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def safetensors(tensors: dict[str, Tensor], metadata: bool = False) -> bytes:
    """After the format's own description, github.com/huggingface/safetensors."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    table: dict[str, object] = {"__metadata__": {"format": "pt"}} if metadata else {}
    body = b""
    for name, value in tensors.items():
        raw = value.contiguous().view(torch.uint8).numpy().tobytes()
        table[name] = {
            "dtype": names[value.dtype], "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]
        }  # fmt: skip
        body += raw
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + body


def assert_read(content: bytes) -> None:
    found = checkpoint.read(content, Path("w"))
    assert found.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], value)


@pytest.mark.parametrize(
    "content",
    [
        saved(TENSORS),
        saved(TENSORS, legacy=True),
        saved({"epoch": 3, "net_state_dict": TENSORS, "optimizer": {"lr": 0.1}}),
        saved({"module." + name: value for name, value in TENSORS.items()}),
        saved({"module.net." + name: value.double() for name, value in TENSORS.items()}),
        saved({name: value.half() for name, value in TENSORS.items()}),
        safetensors(TENSORS),
        safetensors({"net." + name: value.bfloat16() for name, value in TENSORS.items()}, metadata=True),
    ],
    ids=["plain", "old format", "beside training", "parallel", "doubles", "halves", "safetensors", "bfloat16"],
)
def test_tensors_are_found_whatever_they_are_wrapped_in(content: bytes) -> None:
    assert_read(content)


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[list[str]]]:
        return subprocess.check_call, (["touch", str(self.target)],)


@pytest.mark.parametrize("legacy", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, legacy: bool) -> None:
    trap = tmp_path / "sprung"
    content = saved({"first.weight": torch.zeros(2), "more": Payload(trap)}, legacy=legacy)
    with pytest.raises(WeightsError, match=r"^w: not a checkpoint: "):
        checkpoint.read(content, Path("w"))
    assert not trap.exists()
    torch.load(io.BytesIO(content), weights_only=False)
    assert trap.exists(), "the trap works where pickles are run"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!doctype html><title>Not found</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n",
        saved(TENSORS)[:-200],
        saved(TENSORS, legacy=True)[:-10],
        saved([1, 2, 3]),
        saved({"epoch": 3}),
        pickle.dumps({"weights": [1, 2]}),
        safetensors(TENSORS)[:-4],
        (30).to_bytes(8, "little") + b'{"a": {"dtype": "F32"' + b" " * 60,
        safetensors(TENSORS).replace(b"[0, 24]", b"[0, 92]"),
        safetensors(TENSORS).replace(b'"F32"', b'"X99"'),
    ],
    ids=["empty", "web page", "LFS pointer", "cut", "old, cut", "list", "no tensors", "pickle", "safetensors cut",
         "half a table", "offsets beyond", "unknown numbers"],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(WeightsError, match=r"^w: not a checkpoint: .") as refused:
        checkpoint.read(content, Path("w"))
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 250


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


def state() -> dict[str, Tensor]:
    return {name: torch.full_like(value, 2) for name, value in Small().state_dict().items()}


def test_a_network_is_filled_with_what_stands_in_the_file() -> None:
    network = checkpoint.fit(lambda _: Small(), saved(state()), Path("w"), "a small one")
    assert all(bool((value == 2).all()) for value in network.state_dict().values())


def test_counters_that_only_training_needs_may_be_missing() -> None:
    content = saved({name: value for name, value in state().items() if "num_batches" not in name})
    checkpoint.fit(lambda _: Small(), content, Path("w"), "a small one")


def test_what_does_not_fit_is_named() -> None:
    tensors = state() | {"more": torch.zeros(1), "dense.bias": torch.zeros(3)}
    del tensors["norm.weight"]
    with pytest.raises(WeightsError) as refused:
        checkpoint.fit(lambda _: Small(), saved(tensors), Path("w"), "a small one")
    assert str(refused.value) == (
        "w: not a small one: it lacks norm.weight; it has besides more; it has in another shape dense.bias"
    )


@pytest.mark.parametrize(
    "odd", [torch.ones(2, 3, dtype=torch.int8), torch.ones(2, 3, dtype=torch.complex64), torch.ones(2, 3).to_sparse()]
)
def test_weights_that_are_no_plain_numbers_are_named(odd: Tensor) -> None:
    content = saved({"weight": odd, "bias": torch.ones(2)})
    with pytest.raises(WeightsError, match="it has as no plain numbers weight"):
        checkpoint.fit(lambda _: nn.Linear(3, 2), content, Path("w.pth"), "a layer")
