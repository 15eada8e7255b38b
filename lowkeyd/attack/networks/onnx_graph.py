"""Any face network in an ONNX file, made differentiable by onnx2torch. Both packages are optional: the extra `onnx`."""

import warnings
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lowkeyd.attack.networks.embedder import Embedder
from lowkeyd.attack.networks.portrait import portrait
from lowkeyd.errors import WeightsError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

_SIDE = 112
"""Of the faces that a graph is shown which leaves their size open."""
_OLDEST, _NEWEST = 11, 17
"""The vocabularies of ONNX that onnx2torch speaks throughout; graphs in others are translated to the newest of them."""
_ARITHMETIC = frozenset({"Sub", "Mul", "Add", "Div"})
_ASIDE, _UNCHANGED = frozenset({"Shape", "Size"}), frozenset({"Cast", "Identity"})
_SAME = 1e-3


def build(content: bytes, source: Path) -> Embedder:
    """The network, from an ONNX file that carries its weights within. Raises WeightsError."""
    try:
        from google.protobuf.message import DecodeError
        from onnx.version_converter import ConvertError
    except ImportError as error:
        raise WeightsError(
            f"{source}: ONNX networks take two more packages: `uv sync --extra onnx`, or pip install onnx onnx2torch"
        ) from error
    try:
        return _build(content)
    except (DecodeError, ConvertError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError,
            AssertionError) as error:  # fmt: skip
        raise WeightsError(f"{source}: not a face network in ONNX that can be used: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _build(content: bytes) -> Embedder:
    model = _model(content)
    chip = _chip(model.graph)
    levels = _wants_levels(model.graph)
    net = _batched(_converted(model).eval().float(), chip)
    mean, scale = (0.0, 1.0) if levels else (127.5, 127.5)
    return Embedder(net, "ONNX", chip, mean, scale)


def _model(content: bytes) -> "ModelProto":
    """The graph, with one output, in a vocabulary that can be converted."""
    import onnx
    from onnx import version_converter

    model = onnx.load_model_from_string(content)
    if not model.graph.input or not model.graph.output:
        raise ValueError("it has no input or no output")
    if any(tensor.data_location == tensor.EXTERNAL for tensor in _tensors(model.graph)):
        raise ValueError("its weights are in other files; save it as one")  # which could be any file of the user's
    del model.graph.output[1:]  # some give the embedding's length, too
    for node in model.graph.node:  # onnx2torch takes an input that is left out at the end for one that varies
        while node.input and not node.input[-1]:
            node.input.pop()
    _drop_identities(model.graph)
    speaks = max((used.version for used in model.opset_import if not used.domain), default=0)
    return model if _OLDEST <= speaks <= _NEWEST else version_converter.convert_version(model, _NEWEST)


def _tensors(graph: "GraphProto") -> "Iterator[TensorProto]":
    """Every tensor that is stored in the graph, or in one inside it."""
    yield from graph.initializer
    for attribute in chain.from_iterable(node.attribute for node in graph.node):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)


def _drop_identities(graph: "GraphProto") -> None:
    """Weights that are alike are stored once, with identity nodes for the others: onnx2torch looks for them by name."""
    results = {value.name for value in graph.output}
    aliases: dict[str, str] = {}
    kept = []
    for node in graph.node:
        node.input[:] = [aliases.get(name, name) for name in node.input]
        if node.op_type == "Identity" and node.output[0] not in results:
            aliases[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _picture(graph: "GraphProto") -> Any:
    weights = {tensor.name for tensor in graph.initializer}
    pictures = [value for value in graph.input if value.name not in weights]
    if len(pictures) != 1:
        raise ValueError(f"it has {len(pictures)} inputs, expected one picture")
    return pictures[0]


def _chip(graph: "GraphProto") -> tuple[int, int]:
    sizes = [dimension.dim_value for dimension in _picture(graph).type.tensor_type.shape.dim]  # 0: left open
    if len(sizes) != 4 or sizes[1] not in (0, 3):
        raise ValueError(f"its input is {' x '.join(map(str, sizes))}, expected N x 3 x height x width")
    return sizes[2] or _SIDE, sizes[3] or _SIDE


def _wants_levels(graph: "GraphProto") -> bool:
    """Whether it takes 0..255 as they are: InsightFace's rule is that such graphs begin with their own arithmetic."""
    names = {_picture(graph).name}
    for node in graph.node:  # each comes after what it takes
        if names.isdisjoint(node.input) or node.op_type in _ASIDE:
            continue
        if node.op_type not in _UNCHANGED:
            return node.op_type in _ARITHMETIC
        names.update(node.output)
    return False


def _converted(model: "ModelProto") -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx2torch

        net: nn.Module = onnx2torch.convert(model)
    return net


def _batched(net: nn.Module, chip: tuple[int, int]) -> nn.Module:
    """The network for any number of faces at once: exporters like to bake the one that they were shown into a graph."""
    face = portrait(chip)
    two = torch.cat([face, face.flip(3)])
    with torch.no_grad():
        apart = torch.cat([net(one) for one in torch.split(two, 1)]).flatten(1)
        if apart.shape[0] != 2 or apart.shape[1] < 2 or not apart.isfinite().all():
            raise ValueError(f"it makes {tuple(apart.shape)} of two faces, expected an embedding of each")
        try:
            together = net(two).flatten(1)
        except RuntimeError:
            return _OneByOne(net)
    alike = together.shape == apart.shape and (together - apart).norm() <= _SAME * apart.norm()
    return _Flat(net) if alike else _OneByOne(net)


class _Flat(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y.flatten(1)


class _OneByOne(_Flat):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.net(one).flatten(1) for one in torch.split(x, 1)])
