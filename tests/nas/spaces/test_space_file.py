from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas.errors import SettingsError, SpaceError
from nas.networks.export import check_against_torch, to_onnx
from nas.networks.layers import network_layers
from nas.networks.network import Convolution, Network
from nas.networks.supernet import SuperNetwork
from nas.space import Architecture, Image, Space, choice_label
from nas.spaces import make_space, space_file, space_label, space_sha256
from nas.spaces.convolutions import ConvolutionBlock, Form
from nas.spaces.inverted_residual import InvertedResidual
from nas.trellis import NOWHERE, architecture_of, space_trellis
from parsers.network import parse_network
from parsers.roofline import macs

IMAGE = Image(channels=2, height=12, width=12)

OWN = """
name = "own"

[stem]
channels = 4
kernel_size = 5
stride = 1

[[stage]]
kind = "convolution"
slots = 2
widths = [4, 6]
kernel_sizes = [1, 3]
forms = ["plain", "separable"]
manual = { form = "plain", width = 4, kernel_size = 3 }

[[stage]]
kind = "inverted-residual"
slots = 2
stride = 2
widths = [4, 8]
kernel_sizes = [3, 5]
expansions = [1, 2]
drop = false

[[stage]]
kind = "inverted-residual"
slots = 1
widths = [8]
expansions = [3]
skip = false

[head]
channels = 8
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaces") / "own.toml"
    path.write_text(OWN)
    return path


@pytest.fixture(scope="module")
def own(path: Path) -> Space:
    return make_space(str(path), image=IMAGE, classes=3)


def random_members(space: Space, n: int) -> list[Architecture]:
    """Walk through the space with a fair choice in every slot."""
    random, trellis = np.random.default_rng(5), space_trellis(space)
    members = []
    for _ in range(n):
        node, choices = 0, []
        for successor in trellis.successors:
            choices.append(int(random.choice(np.flatnonzero(successor[node] != NOWHERE))))
            node = int(successor[node, choices[-1]])
        members.append(architecture_of(space, choices))
    return members


def test_a_file_says_slots_choices_and_the_design_by_hand(own: Space):
    labels = [choice_label(choice) for choice in own.manual()]

    assert labels == ["plain k3 c4 +", "plain k3 c4 +", "k3 e2 c8", "k3 e2 c8 +", "k3 e3 c8"]
    assert (own.name, own.image, own.classes) == ("own", IMAGE, 3)
    assert [len(slot.choices) for slot in own.slots] == [16, 17, 8, 16, 1]
    assert [slot.stride for slot in own.slots] == [1, 1, 2, 1, 1]
    assert [state.height for state in own.carried(own.manual())] == [12, 12, 12, 6, 6, 6]


def test_the_layers_of_random_networks_are_those_of_their_exported_graphs(own: Space):
    for member in random_members(own, 200):
        network, generator = Network(own, member), torch.Generator().manual_seed(0)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean.normal_(generator=generator)
        written = network_layers(own, member)

        read = parse_network(to_onnx(network.eval(), IMAGE), name="member")

        assert tuple(item.layer for item in read.layers) == written
        assert read.macs == sum(map(macs, written))
        parts = [layer.folded() if isinstance(layer, Convolution) else layer for layer in network.layers.values()]
        weights = sum(tensor.numel() for part in parts for tensor in part.state_dict().values() if tensor.dim())
        assert weights == sum(layer.weight_elements for layer in written)


def test_a_network_is_exported_as_it_computes_and_shares_its_weights(own: Space):
    torch.manual_seed(0)
    supernet, images = SuperNetwork(own), torch.randn(4, 2, 12, 12)
    for member in random_members(own, 5):
        alone = supernet.cut_out(member).train()
        torch.testing.assert_close(alone(images), supernet(images, member))

        check_against_torch(to_onnx(alone.eval(), IMAGE), alone, IMAGE)


def test_a_plain_block_adds_its_input_in_front_of_its_activation(own: Space):
    plain = ConvolutionBlock(form=Form.PLAIN, kernel_size=3, channels=4, idskip=True)
    separable = ConvolutionBlock(form=Form.SEPARABLE, kernel_size=3, channels=6, idskip=False)
    (first, *_), start = own.slots, own.start()

    (one,) = plain.operations(first, start)
    two = separable.operations(first, start)

    assert (one.adds, one.reads, one.activation) == (True, ("x0", "x0"), "Relu")
    assert [(each.depthwise, each.output.channels) for each in two] == [(True, 4), (False, 6)]
    assert separable.follow(first, start) is not None
    assert ConvolutionBlock(form=Form.PLAIN, kernel_size=3, channels=6, idskip=True).follow(first, start) is None


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[stem]", "[stam]", "stam in .*own.toml is not understood. Known: decoder, head, name, stage, stem, task"),
        ("[head]\nchannels = 8", "", r"head in .* is missing: write a table \[head\]"),
        ("[head]\nchannels = 8", "[head]", "head.channels in .* is missing"),
        ("channels = 8", "channels = 0", "head.channels in .* must be a positive whole number, not 0"),
        ("kernel_size = 5", "kernel_size = 4", "stem.kernel_size in .* must be odd"),
        ("widths = [4, 6]", "widths = [4, 0]", "stage 1: widths in .* must be a list of positive whole numbers"),
        ("widths = [4, 6]", "widths = [4, 6.5]", "stage 1: widths in .* must be a list of positive whole numbers"),
        ("widths = [4, 6]", "widths = [4, 4]", "stage 1: widths in .* lists one twice: 4, 4"),
        ("widths = [4, 6]\n", "", "stage 1: widths in .* is missing"),
        ("slots = 1", "slots = -1", "stage 3: slots in .* must not be negative"),
        ("slots = 1", "slots = true", "stage 3: slots in .* must be of type int, not True"),
        ("slots = 1", "depth = 1", "stage 3: depth in .* is not understood"),
        ('kind = "convolution"', 'kind = "dense"', "stage 1: kind in .* must be one of inverted-residual, convolution"),
        ("expansions = [3]", 'forms = ["plain"]', "stage 3: forms in .* says nothing of kind = 'inverted-residual'"),
        ('forms = ["plain", "separable"]', 'forms = ["full"]', "stage 1: forms in .* must be of plain, separable, not 'full'"),
        ("width = 4, kernel", "width = 5, kernel", "stage 1: manual.width in .* is 5, which is no choice of: 4, 6"),
        ('form = "plain", width', "expansion = 3, width", "stage 1: manual.expansion in .* says nothing of kind"),
        ("drop = false", 'drop = "no"', "stage 2: drop in .* must be of type bool"),
        ("slots = 2\nstride = 2", "slots = 2\nstride = 0", "stage 2: stride in .* must be a positive whole number, not 0"),
        ('name = "own"', "name = 3", "name in .* must be a word, not 3"),
        ('name = "own"', "name = ", "own.toml is no TOML"),
        ('name = "own"', 'task = "detection"', "task in .* must be one of classification, segmentation, not 'detection'"),
        ('name = "own"', 'task = "segmentation"', "head in .* does not go with task = 'segmentation'"),
        ("[head]", "[decoder]", "decoder in .* does not go with task = 'classification'"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_say_is_refused_in_one_line_with_key_and_file(
    tmp_path: Path, before: str, after: str, complaint: str
):
    path = tmp_path / "own.toml"
    assert before in OWN
    path.write_text(OWN.replace(before, after))

    with pytest.raises(SpaceError, match=complaint) as raised:
        make_space(str(path), image=IMAGE, classes=3)

    assert "\n" not in str(raised.value)


SEGMENTING = """
task = "segmentation"

[stem]
channels = 4

[[stage]]
kind = "inverted-residual"
slots = 1
widths = [4, 6]
expansions = [1, 2]

[[stage]]
kind = "convolution"
slots = 2
stride = 2
widths = [8, 12]
forms = ["plain", "separable"]

[decoder]
widths = [2, 4]
kernel_sizes = [5]
"""


def test_a_decoder_brings_the_image_back_to_its_size(tmp_path: Path):
    path = tmp_path / "segmenting.toml"
    path.write_text(SEGMENTING)
    image = Image(channels=3, height=13, width=10)
    space = make_space(str(path), image=image, classes=2)

    assert [choice_label(choice) for choice in space.manual()][-2:] == [
        "up5 c6 concatenate separable",
        "up5 c4 concatenate separable",
    ]
    for member in random_members(space, 60):
        network, written = Network(space, member).eval(), network_layers(space, member)

        read = parse_network(to_onnx(network, image), name="member")

        assert tuple((one.layer.type, one.layer.output_shape) for one in read.layers) == tuple(
            (layer.type, layer.output_shape) for layer in written
        )
        assert read.macs == sum(map(macs, written))
        assert network(torch.zeros(2, 3, 13, 10)).shape == (2, 2, 13, 10)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[stem]\nchannels = 4", "[stem]\nchannels = 4\nstride = 1", "stem.stride in .* is 1, but a decoder doubles"),
        ("slots = 1", "slots = 1\nstride = 2", "stage 1: stride in .* is 2, .* make it 1"),
        ("stride = 2", "stride = 1", "stage 2: stride in .* is 1, .* make it 2"),
        ("kernel_sizes = [5]", "kernel_sizes = [1]", "decoder.kernel_sizes in .* must be 3 or more"),
        ("[decoder]\nwidths = [2, 4]\nkernel_sizes = [5]", "", r"decoder in .* is missing: write a table \[decoder\]"),
    ],
)
def test_an_encoder_that_no_decoder_fits_behind_is_refused(tmp_path: Path, before: str, after: str, complaint: str):
    path = tmp_path / "segmenting.toml"
    assert before in SEGMENTING
    path.write_text(SEGMENTING.replace(before, after))

    with pytest.raises(SpaceError, match=complaint):
        make_space(str(path), image=IMAGE, classes=2)


def test_a_stage_that_strides_over_a_single_pixel_is_refused(path: Path):
    with pytest.raises(SpaceError, match=r"stage 2: stride in .* is 2, but of 1x1 pixels one is left there"):
        make_space(str(path), image=Image(channels=1, height=1, width=1), classes=3)


def test_a_file_without_stages_or_that_is_not_there_is_refused(tmp_path: Path):
    path = tmp_path / "none.toml"
    path.write_text("[stem]\nchannels = 4\n[head]\nchannels = 4\n")

    with pytest.raises(SpaceError, match=r"stage in .* is missing: write one \[\[stage\]\] or more"):
        make_space(str(path), image=IMAGE, classes=3)
    with pytest.raises(SpaceError, match=r"Cannot read .*absent\.toml"):
        make_space(str(tmp_path / "absent.toml"), image=IMAGE, classes=3)


PYTHON = """
from nas.space import Space
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, Stage, stage_slots

STAGES = (Stage(slots=2, stride=1, widths=(4, 6), manual_width=4, manual_expansion=1),)


def build(image, classes):
    slots = stage_slots(STAGES, stem_channels=4, kernel_sizes=(3,), expansions=(1, 2))
    return Space(
        name="mine", image=image, classes=classes,
        stem=ConvolutionStem(channels=4, stride=2), slots=slots, head=ClassifierHead(channels=8),
    )


def other_classes(image, classes):
    return build(image, classes + 1)


def without_slots(image, classes):
    space = build(image, classes)
    return Space(
        name="mine", image=image, classes=classes, stem=space.stem, slots=(), head=space.head,
    )


def misnamed(image, classes):
    from dataclasses import replace
    space = build(image, classes)
    return replace(space, slots=(replace(space.slots[0], reads="y"), space.slots[1]))


def nothing(image, classes):
    return None


def one_argument(image):
    return None
"""


@pytest.fixture
def module(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A file of its own for every test: a module is loaded once."""
    path = tmp_path / f"space_{abs(hash(request.node.name))}.py"
    path.write_text(PYTHON)
    return str(path)


def test_a_function_of_the_users_gives_a_space(module: str):
    space = make_space(f"{module}:build", image=IMAGE, classes=3)

    assert (space.name, len(space.slots)) == ("mine", 2)
    assert space.slots[0].manual == InvertedResidual(kernel_size=3, expansion=1, channels=4, idskip=True)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("other_classes", "mine is not of the images and classes that it was asked for"),
        ("without_slots", "mine has no slots"),
        (
            "misnamed",
            "mine: convolution slot0_unexpanded_depthwise reads 'y' as 4 channels of 6x6, but it is not there",
        ),
        ("nothing", "nothing gives NoneType, no nas.space.Space"),
        ("one_argument", "cannot be called with an image size and a number of classes"),
    ],
)
def test_a_function_that_gives_no_space_that_fits_together_is_refused(module: str, function: str, complaint: str):
    with pytest.raises(SpaceError, match=complaint):
        make_space(f"{module}:{function}", image=IMAGE, classes=3)


def test_a_reference_to_no_function_is_refused(module: str, tmp_path: Path):
    broken = tmp_path / "broken.py"
    broken.write_text("def build(")

    for reference, complaint in (
        (f"{module}:absent", "has no function 'absent'"),
        (f"{tmp_path / 'absent'}.py:build", r"Cannot load .*absent.py, which --space names"),
        (f"{broken}:build", r"Cannot load .*broken.py, which --space names"),
        ("no_such_module_here:build", "No module 'no_such_module_here'"),
        ("math:", "names no function"),
    ):
        with pytest.raises(SettingsError, match=complaint):
            make_space(reference, image=IMAGE, classes=3)


def test_a_spaces_file_is_known_by_its_content_and_its_label_by_its_path(path: Path, tmp_path: Path):
    assert (space_file(str(path)), space_file("mobilenetv2")) == (path, None)
    assert space_file("a/b.py:build") == Path("a/b.py")
    assert (space_sha256("mobilenetv2"), len(space_sha256(str(path)) or "")) == (None, 64)
    assert space_label(str(path)).startswith("own-")
    assert space_label("mobilenetv2") == "mobilenetv2"
    with pytest.raises(SpaceError, match="Cannot read the search space"):
        space_sha256(str(tmp_path / "absent.toml"))


def test_the_example_of_the_documentation_is_a_space(tmp_path: Path):
    page = (Path(__file__).parents[3] / "docs" / "spaces.md").read_text(encoding="utf-8")
    path = tmp_path / "my-space.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])

    space = make_space(str(path), image=Image(channels=1, height=28, width=28), classes=10)

    assert (space.name, len(space.slots)) == ("my-space", 5)
    assert space.count() == pytest.approx(5.6e6, rel=0.01)
    assert f"{space.count() / 1e6:.1f} million networks" in page
