"""Graphs as exporters write them, built by hand; what comes out is held against ONNX's own reference evaluator."""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lowkeyd.attack.networks import catalogue, face_network, mobilefacenet, onnx_graph
from lowkeyd.attack.networks.embedder import Embedder
from lowkeyd.errors import WeightsError

onnx = pytest.importorskip("onnx", reason="ONNX networks need the extra lowkeyd[onnx]")
pytest.importorskip("onnx2torch", reason="ONNX networks need the extra lowkeyd[onnx]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

Node = "onnx.NodeProto"
SIDE = 16


def weight(name: str, *shape: int) -> "TensorProto":
    values = np.random.default_rng(len(name)).normal(0, 0.3, shape).astype(np.float32)
    return numpy_helper.from_array(values, name)


BODY = [
    helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
    helper.make_node("PRelu", ["y", "slope"], ["z"]),
    helper.make_node("Flatten", ["z"], ["flat"], axis=1),
    helper.make_node("Gemm", ["flat", "dense", "bias"], ["embedding"], transB=1),
]
WEIGHTS = [weight("w", 4, 3, 3, 3), weight("slope", 4, 1, 1), weight("dense", 8, 4 * 64), weight("bias", 8)]


def graph(
    nodes: list[Node],
    more: "list[TensorProto] | None" = None,
    *,
    shape: tuple[int | str, ...] = ("N", 3, SIDE, SIDE),
    picture: str = "x",
    opset: int = 13,
) -> "onnx.ModelProto":
    made = helper.make_graph(
        nodes,
        "face",
        [helper.make_tensor_value_info(picture, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, (shape[0], 8))],
        [*WEIGHTS, *(more or [])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def build(model: "onnx.ModelProto") -> Embedder:
    return face_network.build(catalogue.family("onnx"), model.SerializeToString(), Path("w"))


def faces(count: int = 2) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def evaluated(model: "onnx.ModelProto", x: Tensor) -> Tensor:
    """By ONNX's own reference, face by face: exporters bake a batch of one into some graphs."""
    name = model.graph.input[0].name
    return torch.cat([torch.from_numpy(ReferenceEvaluator(model).run(None, {name: one[None].numpy()})[0]) for one in x])


def assert_same(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).norm() < 1e-5 * wanted.norm()


@pytest.mark.parametrize("opset", [11, 13, 17, 22])
def test_it_embeds_as_the_graph_does_and_gives_a_gradient(opset: int) -> None:
    model, x = graph(BODY, opset=opset), faces().requires_grad_()
    network = build(model)
    found = network(x)
    assert network.chip == (SIDE, SIDE)
    assert_same(found, evaluated(model, ((x * 255 - 127.5) / 127.5).detach()))
    found.square().sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).all()


def test_a_graph_that_begins_with_its_own_arithmetic_is_shown_levels() -> None:
    """MXNet's exports, SFace among them: (x - 127.5) / 128 stands in the graph."""
    more = [numpy_helper.from_array(np.float32(127.5), "m"), numpy_helper.from_array(np.float32(1 / 128), "s")]
    begin = [helper.make_node("Sub", ["data", "m"], ["d"]), helper.make_node("Mul", ["d", "s"], ["x"])]
    model, x = graph([*begin, *BODY], more, picture="data"), faces()
    assert_same(build(model)(x), evaluated(model, x * 255))


def from_mxnet(opset: int, slope: tuple[int, ...]) -> "onnx.ModelProto":
    """As MXNet's exporter writes networks: with its own arithmetic first, weights among the inputs, dropout left in."""
    scalars = [
        numpy_helper.from_array(np.array([value], np.float32), name) for name, value in [("m", 127.5), ("s", 1 / 128)]
    ]
    norm = [weight(name, 4) for name in ("scale", "shift", "mean")] + [
        numpy_helper.from_array(np.full(4, 0.7, np.float32), "variance")
    ]
    nodes = [
        helper.make_node("Sub", ["data", "m"], ["d"]),
        helper.make_node("Mul", ["d", "s"], ["x"]),
        BODY[0],
        helper.make_node("BatchNormalization", ["y", "scale", "shift", "mean", "variance"], ["n"], epsilon=2e-5),
        helper.make_node("PRelu", ["n", "slopes"], ["p"]),
        helper.make_node("Dropout", ["p"], ["z"]),
        *BODY[2:],
    ]
    values = numpy_helper.to_array(WEIGHTS[1]).reshape(slope)
    more = [*scalars, *norm, numpy_helper.from_array(values, "slopes")]
    model = graph(nodes, more, shape=(1, 3, SIDE, SIDE), picture="data", opset=opset)
    model.graph.input.extend(
        helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in model.graph.initializer
    )
    return model


@pytest.mark.parametrize("opset", [8, 11, 15])
@pytest.mark.parametrize("slope", [(4,), (4, 1, 1), (1, 4, 1, 1)])
def test_an_old_exporters_graph_is_the_same_network(opset: int, slope: tuple[int, ...]) -> None:
    today, x = from_mxnet(15, (4, 1, 1)), faces(3)
    assert_same(build(from_mxnet(opset, slope))(x), evaluated(today, x * 255))


def test_a_graph_with_a_batch_of_one_baked_in_takes_many_faces() -> None:
    flat = numpy_helper.from_array(np.array([1, 4 * 64], np.int64), "shape")
    nodes = [*BODY[:2], helper.make_node("Reshape", ["z", "shape"], ["flat"]), BODY[3]]
    model, x = graph(nodes, [flat], shape=(1, 3, SIDE, SIDE)), faces(3)
    assert_same(build(model)(x), evaluated(model, (x * 255 - 127.5) / 127.5))


def test_a_graph_that_mixes_the_faces_of_a_batch_is_shown_them_one_by_one() -> None:
    more = [numpy_helper.from_array(np.array([1, -1, 4 * 64], np.int64), "shape")]
    nodes = [
        *BODY[:3],
        helper.make_node("Reshape", ["flat", "shape"], ["rows"]),
        helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "dense", "bias"], ["embedding"], transB=1),
    ]
    model, x = graph(nodes, more), faces(3)
    assert_same(build(model)(x), evaluated(model, (x * 255 - 127.5) / 127.5))


def test_weights_that_are_stored_once_for_two_places_are_found() -> None:
    nodes = [
        helper.make_node("Identity", ["slope"], ["slope_again"]),
        BODY[0],
        helper.make_node("PRelu", ["y", "slope_again"], ["z"]),
        *BODY[2:],
    ]
    model, x = graph(nodes), faces()
    assert_same(build(model)(x), evaluated(model, (x * 255 - 127.5) / 127.5))


def test_a_second_output_is_left_alone() -> None:
    model = graph([*BODY, helper.make_node("ReduceL2", ["embedding"], ["length"], axes=[1])])
    model.graph.output.append(helper.make_tensor_value_info("length", TensorProto.FLOAT, ("N", 1)))
    assert build(model)(faces()).shape == (2, 8)


def test_a_size_that_is_left_open_is_that_of_most_networks() -> None:
    pooled = [*BODY[:2], helper.make_node("GlobalAveragePool", ["z"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
              helper.make_node("Gemm", ["f", "small"], ["embedding"], transB=1)]  # fmt: skip
    network = build(graph(pooled, [weight("small", 8, 4)], shape=("N", 3, "height", "width")))
    assert network.chip == (112, 112)


def exported(module: torch.nn.Module, chip: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather use its new exporter, which takes more packages
        torch.onnx.export(module.eval(), (torch.rand(1, 3, *chip),), file, dynamo=False, opset_version=14)
    return file.getvalue()


def test_a_network_of_another_family_is_the_same_network_after_an_export() -> None:
    """Which is also what keeps it from judging itself in another file format."""
    torch.manual_seed(0)
    module = mobilefacenet.MobileFaceNet()
    tensors = io.BytesIO()
    torch.save(module.state_dict(), tensors)
    ours = face_network.build(catalogue.family("mobilefacenet"), tensors.getvalue(), Path("w"))
    again = face_network.build(catalogue.family("onnx"), exported(module, ours.chip), Path("w"))
    assert again.chip == ours.chip
    one, other = (face_network.signature(network, ours.chip) for network in (ours, again))
    assert one @ other > 0.999
    stranger = mobilefacenet.MobileFaceNet()
    third = face_network.build(catalogue.family("onnx"), exported(stranger, ours.chip), Path("w"))
    assert face_network.signature(third, ours.chip) @ one < 0.9


def with_weights_beside_it() -> bytes:
    model = graph(BODY)
    outsource(model.graph.initializer[0])
    return model.SerializeToString()


def with_a_constant_beside_it() -> bytes:
    model = graph([helper.make_node("Constant", [], ["c"], value=weight("c", 1)), *BODY])
    outsource(model.graph.node[0].attribute[0].t)
    return model.SerializeToString()


def outsource(tensor: "TensorProto") -> None:
    """Its values are in a file that the graph names, which could be any."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="pyproject.toml")


def of_two_pictures() -> bytes:
    model = graph(BODY)
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ("N", 3, SIDE, SIDE)))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no graph at all", "that can be used: "),
        (b"", "it has no input or no output"),
        (with_weights_beside_it(), "its weights are in other files; save it as one"),
        (with_a_constant_beside_it(), "its weights are in other files; save it as one"),
        (of_two_pictures(), "it has 2 inputs, expected one picture"),
        (graph(BODY, shape=("N", 1, SIDE, SIDE)).SerializeToString(), "expected N x 3 x height x width"),
        (graph([helper.make_node("NoSuchOperation", ["x"], ["embedding"])]).SerializeToString(), "NoSuchOperation"),
        (graph([helper.make_node("ReduceMean", ["x"], ["embedding"])]).SerializeToString(), "expected an embedding"),
    ],
    ids=[
        "rubbish",
        "nothing",
        "weights elsewhere",
        "a constant elsewhere",
        "two pictures",
        "grey",
        "unknown operation",
        "no embedding",
    ],
)
def test_what_is_no_such_network_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(WeightsError, match=r"^w: not a face network in ONNX that can be used: ") as refused:
        onnx_graph.build(content, Path("w"))
    assert why in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnx.version_converter", None)
    with pytest.raises(WeightsError, match="pip install onnx onnx2torch"):
        onnx_graph.build(b"", Path("w"))


def test_a_graph_may_end_in_unit_length_as_exporters_write_it() -> None:
    """torch's own writes a clamp from below with an empty name for its other end."""
    ending = [
        helper.make_node("ReduceL2", ["e"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Clip", ["norm", "least", ""], ["clamped"]),
        helper.make_node("Div", ["e", "clamped"], ["embedding"]),
    ]
    body = [*BODY[:-1], helper.make_node("Gemm", ["flat", "dense", "bias"], ["e"], transB=1)]
    model = graph([*body, *ending], [numpy_helper.from_array(np.float32(1e-12), "least")])
    assert torch.allclose(build(model)(faces()).norm(dim=1), torch.ones(2), atol=1e-5)


@pytest.mark.parametrize("aside", ["Shape", "Cast"])
def test_a_graphs_own_arithmetic_counts_whatever_is_asked_before(aside: str) -> None:
    picture = "same" if aside == "Cast" else "x"
    first = helper.make_node(aside, ["x"], ["same"], **({"to": TensorProto.FLOAT} if aside == "Cast" else {}))
    sub = helper.make_node("Sub", [picture, "mean"], ["centred"])
    conv = helper.make_node("Conv", ["centred", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1])
    model = graph([first, sub, conv, *BODY[1:]], [numpy_helper.from_array(np.float32(127.5), "mean")])
    assert torch.allclose(build(model)(faces()), evaluated(model, faces() * 255), atol=1e-3)


def test_a_graph_that_rounds_can_judge_and_is_not_attacked() -> None:
    rounded = [
        helper.make_node("Round", ["x"], ["r"]),
        helper.make_node("Conv", ["r", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
    ]
    for nodes, told in ((BODY, None), ([*rounded, *BODY[1:]], "gives no gradient")):
        network = face_network.FaceNetwork("mine", build(graph(nodes)), None, (SIDE, SIDE), unit=True, threshold=1.2)
        if told is None:
            face_network.refuse_unattackable([network])
        else:
            with pytest.raises(WeightsError, match=told):
                face_network.refuse_unattackable([network])
