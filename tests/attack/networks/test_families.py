"""Every family against its authors' definition (retold.py): names and shapes of tensors, what comes out, gradients."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.utils.detect_face import extract_face
from PIL import Image
from torch import Tensor

from lowkeyd.attack import align
from lowkeyd.attack.crop import Square, shrink
from lowkeyd.attack.networks import catalogue, face_network, ir, iresnet, resnet
from lowkeyd.attack.networks.embedder import Embedder
from lowkeyd.attack.networks.face_network import FaceNetwork
from lowkeyd.errors import WeightsError
from lowkeyd.model import Face, Pixels
from tests.attack.networks import retold
from tests.attack.networks.retold import Tape


@dataclass(frozen=True)
class Case:
    family: str
    retell: Callable[[Tape, Tensor], Tensor]
    title: str


MOBILEFACENET = Case("mobilefacenet", retold.mobilefacenet, "MobileFaceNet")
IR = {
    depth: Case("ir", partial(retold.ir, units=units), f"IR-{depth}")
    for depth, units in {50: (3, 4, 14, 3), 101: (3, 13, 30, 3), 152: (3, 8, 36, 3)}.items()
}
ADAFACE = {
    depth: Case("ir", partial(retold.ir, units=units, adaface=True), f"IR-{depth}")
    for depth, units in {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 101: (3, 13, 30, 3)}.items()
}
RESNET = {
    depth: Case("resnet", partial(retold.resnet, blocks=blocks), f"ResNet-{depth}")
    for depth, blocks in {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}.items()
}
IRESNET = {
    depth: Case("iresnet", partial(retold.iresnet, blocks=blocks), f"IResNet-{depth}")
    for depth, blocks in {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3),
                          200: (6, 26, 60, 6)}.items()
}  # fmt: skip


def named(case: Case) -> str:
    return f"{case.family}-{case.title}"


def saved(tensors: dict[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def build(family: str, content: bytes) -> Embedder:
    return face_network.build(catalogue.family(family), content, Path("w"))


def faces(chip: tuple[int, int]) -> Tensor:
    return torch.rand(2, 3, *chip, generator=torch.Generator().manual_seed(0))


# What a network is shown: (255 x - mean) / scale for x in [0, 1], as its authors' examples do it.
SCALES = {"mobilefacenet": 128.0, "facenet": 128.0}


@pytest.mark.parametrize("case", [MOBILEFACENET, IR[50], ADAFACE[18], RESNET[50], IRESNET[18]], ids=named)
def test_a_face_becomes_what_the_authors_network_makes_of_it(case: Case) -> None:
    chip = catalogue.family(case.family).chip
    assert chip is not None
    x, tape = faces(chip)[:1], Tape()
    wanted = case.retell(tape, (x * 255 - 127.5) / SCALES.get(case.family, 127.5))
    network = build(case.family, saved(tape.tensors))
    x.requires_grad_()
    found = network(x)
    assert (network.title, network.chip, found.shape) == (case.title, chip, wanted.shape)
    assert (found - wanted).norm() < 1e-4 * wanted.norm()
    found.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad != 0).float().mean() > 0.99


@pytest.mark.parametrize(
    "case", [MOBILEFACENET, *IR.values(), *ADAFACE.values(), *RESNET.values(), *IRESNET.values()], ids=named
)
def test_every_depth_has_the_authors_names_and_shapes(case: Case) -> None:
    tape = Tape("meta")
    case.retell(tape, torch.empty(1, 3, *(catalogue.family(case.family).chip or ()), device="meta"))
    with torch.device("meta"):
        ours = {
            "mobilefacenet": lambda _: mobilefacenet_module(),
            "ir": ir.layout,
            "resnet": resnet.layout,
            "iresnet": iresnet.layout,
        }[case.family](tape.tensors)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in tape.tensors.items()
    }


def mobilefacenet_module() -> torch.nn.Module:
    from lowkeyd.attack.networks.mobilefacenet import MobileFaceNet

    return MobileFaceNet()


@pytest.mark.parametrize(
    ("case", "published"),
    [
        (IRESNET[100], 260_665_334),  # antelopev2's glintr100.onnx, the same network
        (IRESNET[50], 174_383_860),  # buffalo_l's w600k_r50.onnx, the same network
    ],
    ids=lambda value: named(value) if isinstance(value, Case) else "",
)
def test_the_retold_networks_are_as_large_as_published_files(case: Case, published: int) -> None:
    """Nearly: files hold names, and ONNX has some of the batch norms folded already."""
    tape = Tape("meta")
    case.retell(tape, torch.empty(1, 3, *(catalogue.family(case.family).chip or ()), device="meta"))
    size = sum(value.numel() * value.element_size() for value in tape.tensors.values())
    assert size == pytest.approx(published, rel=0.0011)


def test_the_retold_adaface_is_its_published_file_to_the_byte() -> None:
    """The file's header holds every tensor's name and shape, so that no other set of them is likely to be as long."""
    tape = Tape("meta")
    ADAFACE[101].retell(tape, torch.empty(1, 3, 112, 112, device="meta"))
    tensors = {f"model.net.{name}": value for name, value in tape.tensors.items()}
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(tensors, key=lambda name: (-tensors[name].element_size(), name)):
        value = tensors[name]
        begin, end = end, end + value.numel() * value.element_size()
        kind = "I64" if value.dtype == torch.int64 else "F32"
        table[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [begin, end]}
    header = len(json.dumps(table, separators=(",", ":")))
    assert 8 + math.ceil(header / 8) * 8 + end == catalogue.find("adaface-ir101-webface12m", Path("/nowhere")).size


@pytest.fixture(scope="module")
def facenet_tensors() -> dict[str, Tensor]:
    """As facenet-pytorch publishes its VGGFace2 weights: with the head that tells 8,631 people apart."""
    torch.manual_seed(0)
    return InceptionResnetV1(classify=True, num_classes=8631).state_dict()


def test_facenets_layout_has_what_its_published_file_has(facenet_tensors: dict[str, Tensor]) -> None:
    shapes = {name: tuple(value.shape) for name, value in facenet_tensors.items()}
    assert shapes["conv2d_1a.conv.weight"] == (32, 3, 3, 3)
    assert shapes["repeat_2.9.branch1.2.conv.weight"] == (128, 128, 7, 1)
    assert shapes["last_linear.weight"] == (512, 1792)
    assert shapes["logits.weight"] == (8631, 512)
    file = io.BytesIO()
    torch.save(facenet_tensors, file, _use_new_zipfile_serialization=False)
    published = catalogue.find("facenet-vggface2", Path("/nowhere")).size
    assert len(file.getvalue()) == pytest.approx(published, abs=3000), "old files hold addresses, whose lengths vary"


@pytest.mark.parametrize("with_head", [True, False])
def test_facenet_embeds_as_its_package_does(facenet_tensors: dict[str, Tensor], with_head: bool) -> None:
    theirs = InceptionResnetV1().eval()
    theirs.load_state_dict(facenet_tensors, strict=False)  # without the head
    kept = {name: value for name, value in facenet_tensors.items() if with_head or not name.startswith("logits")}
    network = build("facenet", saved(kept))
    x = faces((160, 160)).requires_grad_()
    found = network(x)
    with torch.no_grad():
        wanted = theirs((x * 255 - 127.5) / 128)
    assert network.chip == (160, 160)
    assert (found - wanted).norm() < 1e-5 * wanted.norm()
    found[:, 0].sum().backward()
    assert x.grad is not None
    assert (x.grad[..., 8:-8, 8:-8] != 0).float().mean() > 0.99


def test_facenet_is_shown_the_box_as_its_package_cuts_it_out(portrait: Pixels, face: Face) -> None:
    network = FaceNetwork(
        "facenet", torch.nn.Identity(), face_network._template("box", (160, 160)), (160, 160), True, 1.0
    )
    left, top, right, bottom = map(int, face.box)
    face = replace(face, box=(left, top, right, bottom))  # theirs does that inside
    square = Square.around(face, 5.0)
    ours = align.warp(
        shrink(portrait, square, 300), network.transforms(square.inside(align.points(face), 300)[None]), network.chip
    )
    theirs = extract_face(Image.fromarray(portrait), np.array(face.box), 160) / 255
    assert (ours[0] - theirs).abs().mean() < 1.5 / 255, "theirs rounds to levels"


@pytest.mark.parametrize("family", ["mobilefacenet", "facenet", "ir", "resnet", "iresnet"])
def test_another_familys_checkpoint_is_refused(family: str) -> None:
    other = Tape()
    x = torch.zeros(1, 3, 112, 96)
    if family == "mobilefacenet":
        retold.ir(other, torch.zeros(1, 3, 112, 112), (2, 2, 2, 2), adaface=True)
    else:
        retold.mobilefacenet(other, x)
    with pytest.raises(WeightsError, match=r"^w: not an? .+: it lacks |^w: not an? .+: no known depth"):
        build(family, saved(other.tensors))


def test_a_squeezing_relative_of_ir_is_refused_with_what_it_has_besides() -> None:
    tape = Tape()
    retold.ir(tape, torch.zeros(1, 3, 112, 112), (2, 2, 2, 2), adaface=True)
    tape.tensors["body.0.res_layer.6.fc1.weight"] = torch.zeros(4, 64, 1, 1)
    with pytest.raises(WeightsError, match=r": it has besides body\.0\.res_layer\.6\.fc1\.weight$"):
        build("ir", saved(tape.tensors))


def test_weights_cost_no_gradient_and_batch_norms_are_folded_away() -> None:
    tape = Tape()
    retold.mobilefacenet(tape, torch.zeros(1, 3, 112, 96))
    network = build("mobilefacenet", saved(tape.tensors))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_numbers_too_small_for_a_processor_to_be_quick_with_are_zero() -> None:
    """One of AdaFace's published files has many: they made it four times as slow."""
    tape = Tape()
    retold.mobilefacenet(tape, torch.zeros(1, 3, 112, 96))
    tape.tensors["conv2.conv.weight"][:256] = 1e-40
    network = build("mobilefacenet", saved(tape.tensors))
    values = torch.cat([value.flatten() for value in network.state_dict().values() if value.is_floating_point()])
    assert (values == 0).sum() >= 256 * 128
    assert values[values != 0].abs().min() >= torch.finfo(torch.float32).tiny
