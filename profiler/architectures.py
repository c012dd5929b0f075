"""Networks that the paper names and ``onnx`` does not bundle, written layer by layer from their papers.

All are light models (see ``profiler.weights``) with batch normalisation, at inference. ``mobilenet_v2_decoder`` is our
reading of the paper's "MobileNetV2+Decoder with Deconv layers stacked after MobilenetV2 base (similar to UNet)": it gives
neither input size nor widths, so both are those of TensorFlow's image segmentation tutorial, which has the same shape.
The paper's "RCNN" is read as Faster R-CNN with its small backbone (Ren et al., NeurIPS 2015; Zeiler and Fergus' network), in
two parts: between them lie proposals and the pooling of regions, which depend on the picture and are in neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from profiler.graph_builder import GraphBuilder

CLASSES = 1000

MOBILENET_V2_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats and first stride of each stage (Sandler et al., CVPR 2018, Table 2)."""

DECODER_INPUT_SIZE = 128
"""Assumed: the paper does not say."""

RCNN_PICTURE = (600, 800)
"""Height and width; the authors scale pictures to a shorter side of 600, and photographs are mostly 4:3."""

RCNN_REGIONS = 300
"""Proposals that are looked at, as published for testing."""

_ANCHORS = 9
_VOC_CLASSES = 21
_DECODER_CHANNELS = (512, 256, 128, 64)
_MASK_CLASSES = 2


def mobilenet_v1() -> onnx.ModelProto:
    """Write MobileNet at 224×224, width 1 (Howard et al., 2017, Table 1)."""
    net = GraphBuilder("mobilenet_v1", (1, 3, 224, 224))
    tensor = net.convolution(net.image, 32, 3, stride=2, activation="Relu6")
    stages = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for channels, stride in stages:
        tensor = net.convolution(
            tensor, net.channels(tensor), 3, stride=stride, groups=net.channels(tensor), activation="Relu6"
        )
        tensor = net.convolution(tensor, channels, 1, activation="Relu6")
    return net.model(net.classifier(tensor, CLASSES))


def mobilenet_v2() -> onnx.ModelProto:
    """Write MobileNetV2 at 224×224, width 1 (Sandler et al., CVPR 2018, Table 2)."""
    net = GraphBuilder("mobilenet_v2", (1, 3, 224, 224))
    tensor = _mobilenet_v2_base(net)[-1]
    tensor = net.convolution(tensor, 1280, 1, activation="Relu6")
    return net.model(net.classifier(tensor, CLASSES))


def mobilenet_v2_decoder() -> onnx.ModelProto:
    """Write a U-Net of MobileNetV2's base and five transposed convolutions, 128×128 to a mask of that size."""
    net = GraphBuilder("mobilenet_v2_decoder", (1, 3, DECODER_INPUT_SIZE, DECODER_INPUT_SIZE))
    *skips, tensor = _mobilenet_v2_base(net)
    for channels, skip in zip(_DECODER_CHANNELS, reversed(skips), strict=True):
        tensor = net.concat([net.transposed_convolution(tensor, channels, 3, stride=2), skip])
    return net.model(net.transposed_convolution(tensor, _MASK_CLASSES, 3, stride=2, activation=None))


def faster_rcnn_backbone() -> onnx.ModelProto:
    """Write Faster R-CNN's backbone and region proposal network for a picture of 600×800.

    As in ``models/pascal_voc/ZF`` of the authors' py-faster-rcnn, but for the normalisations: theirs run within a channel,
    which ONNX has no operator for, ours across channels. Outputs: features, then scores and box offsets of nine anchors.
    """
    net = GraphBuilder("faster_rcnn_backbone", (1, 3, *RCNN_PICTURE))
    tensor = net.image
    for channels, kernel in ((96, 7), (256, 5)):
        tensor = net.convolution(tensor, channels, kernel, stride=2)
        tensor = net.node("LRN", (tensor,), channels, size=3, alpha=5e-5, beta=0.75)
        tensor = net.pool("MaxPool", tensor, 3, stride=2, padding=1, rounds_up=True)
    for channels in (384, 384, 256):
        tensor = net.convolution(tensor, channels, 3)
    proposing = net.convolution(tensor, 256, 3)
    scores = net.convolution(proposing, 2 * _ANCHORS, 1, activation=None)
    boxes = net.convolution(proposing, 4 * _ANCHORS, 1, activation=None)
    return net.model(tensor, scores, boxes)


def faster_rcnn_head() -> onnx.ModelProto:
    """Write what Faster R-CNN does with 300 pooled regions: two hidden layers, then scores and boxes of 21 classes."""
    net = GraphBuilder("faster_rcnn_head", (RCNN_REGIONS, 256, 6, 6))
    tensor = net.node("Flatten", (net.image,), 256 * 6 * 6)
    for features in (4096, 4096):
        tensor = net.dense(tensor, features, activation="Relu")
    scores = net.node("Softmax", (net.dense(tensor, _VOC_CLASSES),), _VOC_CLASSES)
    return net.model(scores, net.dense(tensor, 4 * _VOC_CLASSES))


def _mobilenet_v2_base(net: GraphBuilder) -> list[str]:
    """Add the base; give the expanded tensors before each halving (what a U-Net connects), then the last tensor."""
    tensor = net.convolution(net.image, 32, 3, stride=2, activation="Relu6")
    before_halving = []
    for expansion, channels, repeats, first_stride in MOBILENET_V2_BLOCKS:
        for stride in (first_stride, *[1] * (repeats - 1)):
            source = tensor
            if expansion > 1:
                tensor = net.convolution(source, expansion * net.channels(source), 1, activation="Relu6")
            if stride > 1:
                before_halving.append(tensor)
            middle = net.channels(tensor)
            tensor = net.convolution(tensor, middle, 3, stride=stride, groups=middle, activation="Relu6")
            tensor = net.convolution(tensor, channels, 1, activation=None)
            if stride == 1 and net.channels(source) == channels:
                tensor = net.add(source, tensor)
    return [*before_halving, tensor]


def inception_v3() -> onnx.ModelProto:
    """Write InceptionV3 at 299×299 without its auxiliary head (Szegedy et al., CVPR 2016, Table 1, as torchvision)."""
    net = GraphBuilder("inception_v3", (1, 3, 299, 299))
    tensor = net.convolution(net.image, 32, 3, stride=2, padding=0)
    tensor = net.convolution(tensor, 32, 3, padding=0)
    tensor = net.convolution(tensor, 64, 3)
    tensor = net.pool("MaxPool", tensor, 3, stride=2)
    tensor = net.convolution(tensor, 80, 1)
    tensor = net.convolution(tensor, 192, 3, padding=0)
    tensor = net.pool("MaxPool", tensor, 3, stride=2)
    for pool_channels in (32, 64, 64):
        tensor = _inception_a(net, tensor, pool_channels)
    tensor = _reduction_a(net, tensor)
    for middle in (128, 160, 160, 192):
        tensor = _inception_b(net, tensor, middle)
    tensor = _reduction_b(net, tensor)
    for _ in range(2):
        tensor = _inception_c(net, tensor)
    return net.model(net.classifier(tensor, CLASSES))


_Kernel = int | tuple[int, int]


def _tower(net: GraphBuilder, source: str, layers: Sequence[tuple[int, _Kernel]], *, last_stride: int = 1) -> str:
    """Stack convolutions of (channels, kernel); one that strides at the end pads nothing."""
    *first, (channels, kernel) = layers
    tensor = source
    for width, window in first:
        tensor = net.convolution(tensor, width, window)
    if last_stride == 1:
        return net.convolution(tensor, channels, kernel)
    return net.convolution(tensor, channels, kernel, stride=last_stride, padding=0)


def _pooled(net: GraphBuilder, source: str, channels: int) -> str:
    return net.convolution(net.pool("AveragePool", source, 3, stride=1, padding=1), channels, 1)


def _inception_a(net: GraphBuilder, source: str, pool_channels: int) -> str:
    return net.concat(
        [
            _tower(net, source, [(64, 1)]),
            _tower(net, source, [(48, 1), (64, 5)]),
            _tower(net, source, [(64, 1), (96, 3), (96, 3)]),
            _pooled(net, source, pool_channels),
        ]
    )


def _reduction_a(net: GraphBuilder, source: str) -> str:
    return net.concat(
        [
            _tower(net, source, [(384, 3)], last_stride=2),
            _tower(net, source, [(64, 1), (96, 3), (96, 3)], last_stride=2),
            net.pool("MaxPool", source, 3, stride=2),
        ]
    )


def _inception_b(net: GraphBuilder, source: str, middle: int) -> str:
    row, column = (1, 7), (7, 1)
    return net.concat(
        [
            _tower(net, source, [(192, 1)]),
            _tower(net, source, [(middle, 1), (middle, row), (192, column)]),
            _tower(net, source, [(middle, 1), (middle, column), (middle, row), (middle, column), (192, row)]),
            _pooled(net, source, 192),
        ]
    )


def _reduction_b(net: GraphBuilder, source: str) -> str:
    return net.concat(
        [
            _tower(net, source, [(192, 1), (320, 3)], last_stride=2),
            _tower(net, source, [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)], last_stride=2),
            net.pool("MaxPool", source, 3, stride=2),
        ]
    )


def _inception_c(net: GraphBuilder, source: str) -> str:
    split = _tower(net, source, [(384, 1)])
    deep = _tower(net, source, [(448, 1), (384, 3)])
    return net.concat(
        [
            _tower(net, source, [(320, 1)]),
            *(_tower(net, tensor, [(384, kernel)]) for tensor in (split, deep) for kernel in ((1, 3), (3, 1))),
            _pooled(net, source, 192),
        ]
    )
