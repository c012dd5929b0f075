"""A search space of the user's own in one TOML file: stem, stages, and a head or a decoder.

The file says what is offered; image and classes come from the data. A key that is not understood, a value of another kind
and a choice that is none are errors that name file, stage and key: a misspelt width must not silently be another
space. ``docs/spaces.md`` lists the keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nas.errors import SpaceError
from nas.networks.operations import strided
from nas.space import Block, Choice, Image, Slot, Space, Task
from nas.spaces.convolutions import ConvolutionBlock, Form
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, InvertedResidual
from nas.spaces.mobilenetv2_decoder import DECONVOLUTION_KERNEL_SIZES, KeepingStem, PixelHead, with_decoder
from parsers.errors import DeviceConfigError
from parsers.toml_table import TomlTable, read_toml

KEYS = ("decoder", "head", "name", "stage", "stem", "task")
_NOT_OF = {"inverted-residual": ("forms", "form"), "convolution": ("expansions", "expansion")}
"""Keys of a stage and of its manual choice that say nothing of its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StemTable:
    """``[stem]``: a convolution."""

    channels: int
    kernel_size: int = 3
    stride: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadTable:
    """``[head]``: a 1×1 convolution in front of the mean over the image."""

    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderTable:
    """``[decoder]``: transposed convolutions that bring the image back to its size, for ``task = "segmentation"``."""

    widths: tuple[int, ...]
    """Of the last level; each other level has those of the encoder's stage at its size."""
    kernel_sizes: tuple[int, ...] = DECONVOLUTION_KERNEL_SIZES


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualTable:
    """``manual`` of a stage: what the design by hand holds in its slots, as far as it is said."""

    width: int | None = None
    kernel_size: int | None = None
    expansion: int | None = None
    form: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTable:
    """``[[stage]]``: slots that work at one resolution."""

    kind: Literal["inverted-residual", "convolution"]
    slots: int
    widths: tuple[int, ...]
    stride: int = 1
    """Of its first slot."""
    kernel_sizes: tuple[int, ...] = (3,)
    expansions: tuple[int, ...] = (1,)
    """Of inverted residuals."""
    forms: tuple[str, ...] = (Form.PLAIN,)
    """Of convolutions."""
    skip: bool = True
    """Whether slots can add their input where it has the shape of their output."""
    drop: bool = True
    """Whether slots behind the first can be dropped, from the stage's end."""
    manual: ManualTable = ManualTable()

    @property
    def thirds(self) -> Sequence[int | str]:
        """What a block is beside its kernel and width: expansion or form."""
        return self.expansions if self.kind == "inverted-residual" else self.forms

    @property
    def by_hand(self) -> tuple[int, int | str, int]:
        """Kernel, expansion or form, and width of the design by hand: the smallest, the last and the middle one if not said."""
        said = self.manual
        third = said.expansion if self.kind == "inverted-residual" else said.form
        return (
            said.kernel_size or min(self.kernel_sizes),
            third or self.thirds[-1],
            said.width or sorted(self.widths)[len(self.widths) // 2],
        )

    def block(self, kernel_size: int, third: int | str, width: int, *, idskip: bool) -> Block:
        """Make one of its blocks."""
        if isinstance(third, str):
            return ConvolutionBlock(form=Form(third), kernel_size=kernel_size, channels=width, idskip=idskip)
        return InvertedResidual(kernel_size=kernel_size, expansion=third, channels=width, idskip=idskip)


def read_space(path: Path, image: Image, classes: int) -> Space:
    """Build the space that a TOML file says.

    Raises:
        SpaceError: no such file, a key or a value that cannot be, or stages that do not fit the image.
    """
    try:
        values = read_toml(path)
        whole = TomlTable(path=path, prefix="")
        if unknown := sorted(set(values) - set(KEYS)):
            whole.fail(unknown[0], f"is not understood. Known: {', '.join(KEYS)}")
        name = values.get("name", path.stem)
        if not isinstance(name, str):
            whole.fail("name", f"must be a word, not {name!r}")
        task = _task(whole, values)
        stem = _part(whole, values, "stem", StemTable)
        stages = _stages(whole, values.get("stage"))
        _check_strides(whole, image, stem, stages)
        if task is Task.SEGMENTATION:
            decoder = _part(whole, values, "decoder", DecoderTable)
            _check_halvings(whole, stem, stages, decoder)
        else:
            head = _part(whole, values, "head", HeadTable)
    except DeviceConfigError as exc:
        raise SpaceError(str(exc).replace("the device config ", "")) from exc
    first = ConvolutionStem(channels=stem.channels, stride=stem.stride, kernel_size=stem.kernel_size)
    slots = _slots(stages, stem.channels)
    if task is Task.CLASSIFICATION:
        last = ClassifierHead(channels=head.channels)
        return Space(name=name, image=image, classes=classes, stem=first, slots=slots, head=last)
    levels = (*(stage.widths for stage in reversed(stages[:-1])), decoder.widths)
    return Space(
        name=name,
        image=image,
        classes=classes,
        stem=KeepingStem(convolution=first),
        slots=with_decoder(slots, levels, decoder.kernel_sizes),
        head=PixelHead(),
        task=task,
    )


def _task(whole: TomlTable, values: dict[str, Any]) -> Task:
    """Read what networks tell, and see that ``[head]`` or ``[decoder]`` goes with it."""
    task = values.get("task", Task.CLASSIFICATION.value)
    if task not in set(Task):
        whole.fail("task", f"must be one of {', '.join(Task)}, not {task!r}")
    other = "head" if task == Task.SEGMENTATION else "decoder"
    if other in values:
        whole.fail(other, f"does not go with task = {str(task)!r}")
    return Task(task)


def _check_halvings(whole: TomlTable, stem: StemTable, stages: Sequence[StageTable], decoder: DecoderTable) -> None:
    """See that every level of the decoder doubles what a stage of the encoder, or the stem, has halved."""
    if stem.stride != 2:
        whole.fail("stem.stride", f"is {stem.stride}, but a decoder doubles the image level by level: make it 2")
    for number, stage in enumerate(stages, start=1):
        wanted = 1 if number == 1 else 2
        if stage.stride != wanted:
            whole.fail(
                f"stage {number}: stride",
                f"is {stage.stride}, but a decoder needs an encoder whose stages, all but the first, halve: make it {wanted}",
            )
    if min(decoder.kernel_sizes) < 3:
        whole.fail("decoder.kernel_sizes", "must be 3 or more: smaller ones leave gaps where they double the image")


def _part(whole: TomlTable, values: dict[str, Any], name: str, record: type[Any]) -> Any:
    """Read ``[stem]`` or ``[head]``."""
    if not isinstance(values.get(name), dict):
        whole.fail(name, f"is missing: write a table [{name}]")
    table = TomlTable(path=whole.path, prefix=f"{name}.")
    made = table.build(record, values[name])
    _check_numbers(table, made)
    return made


def _stages(whole: TomlTable, listed: object) -> list[StageTable]:
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        whole.fail("stage", "is missing: write one [[stage]] or more")
    stages = []
    for number, values in enumerate(listed, start=1):
        table = TomlTable(path=whole.path, prefix=f"stage {number}: ")
        stage: StageTable = table.build(StageTable, values)
        _check_numbers(table, stage)
        _check_stage(table, stage, values)
        stages.append(stage)
    return stages


def _check_numbers(table: TomlTable, made: StemTable | HeadTable | DecoderTable | StageTable) -> None:
    """See that numbers are positive, kernels odd, and that no list has one twice."""
    for name in made.__dataclass_fields__:
        value = getattr(made, name)
        if type(value) is int and value < 1:
            table.fail(name, f"must be a positive whole number, not {value}")
        numbers = value if isinstance(value, tuple) else (value,)
        if name.startswith("kernel_size") and any(number % 2 == 0 for number in numbers):
            table.fail(name, f"must be odd, so that a kernel has a middle, not {', '.join(map(str, numbers))}")
        if len(set(numbers)) < len(numbers):
            table.fail(name, f"lists one twice: {', '.join(map(str, numbers))}")


def _check_stage(table: TomlTable, stage: StageTable, values: dict[str, Any]) -> None:
    """See that keys go with the stage's kind, and that the design by hand is among its choices."""
    many, one = _NOT_OF[stage.kind]
    if many in values:
        table.fail(many, f"says nothing of kind = {stage.kind!r}")
    if one in values.get("manual", {}):
        table.fail(f"manual.{one}", f"says nothing of kind = {stage.kind!r}")
    if unknown := [form for form in stage.forms if form not in set(Form)]:
        table.fail("forms", f"must be of {', '.join(Form)}, not {unknown[0]!r}")
    offered = (("kernel_size", stage.kernel_sizes), ("expansion" if one == "form" else "form", stage.thirds))
    for (name, choices), chosen in zip((*offered, ("width", stage.widths)), stage.by_hand, strict=True):
        if chosen not in choices:
            table.fail(f"manual.{name}", f"is {chosen!r}, which is no choice of: {', '.join(map(str, choices))}")


def _check_strides(whole: TomlTable, image: Image, stem: StemTable, stages: Sequence[StageTable]) -> None:
    """See that every stride finds something to stride over."""
    shape = strided(image, stem.stride, stem.channels)
    for number, stage in enumerate(stages, start=1):
        if stage.stride > 1 and shape.height == shape.width == 1:
            sides = f"{image.height}x{image.width}"
            whole.fail(f"stage {number}: stride", f"is {stage.stride}, but of {sides} pixels one is left there")
        shape = strided(shape, stage.stride, shape.channels)


def _slots(stages: Sequence[StageTable], channels: int) -> tuple[Slot, ...]:
    """Lay the slots out; ``channels`` enter the first one."""
    slots: list[Slot] = []
    for number, stage in enumerate(stages):
        for position in range(stage.slots):
            opens, stride = position == 0, stage.stride if position == 0 else 1
            adding = (False, True) if stage.skip and stride == 1 else (False,)
            choices: list[Choice] = [
                stage.block(kernel, third, width, idskip=idskip)
                for kernel, third, width, idskip in itertools.product(
                    stage.kernel_sizes, stage.thirds, stage.widths, adding
                )
            ]
            kernel, third, width = stage.by_hand
            slots.append(
                Slot(
                    number=len(slots),
                    stage=number,
                    opens=opens,
                    closes=position == stage.slots - 1,
                    stride=stride,
                    choices=tuple(choices if opens or not stage.drop else [*choices, None]),
                    manual=stage.block(kernel, third, width, idskip=len(adding) == 2 and channels == width),
                    reads=f"x{number}" if opens else f"x{number + 1}",
                    writes=f"x{number + 1}",
                )
            )
            channels = width
    return tuple(slots)
