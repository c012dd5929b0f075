"""Blocks of convolutions: a plain one (as in VGG and ResNet), or a depthwise and a 1×1 one (Howard et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from nas.networks.operations import Activation, Operation, convolution, strided
from nas.space import Carried, Slot


class Form(StrEnum):
    """What a block of convolutions consists of."""

    PLAIN = "plain"
    """One convolution."""
    SEPARABLE = "separable"
    """A depthwise convolution, then a 1×1 one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionBlock:
    """One convolution or two, each with its normalisation and ReLU; it may add its input in front of the last ReLU.

    Blocks of one form share weights.
    """

    form: Form
    kernel_size: int
    channels: int
    """Output channels."""
    idskip: bool
    """Whether the block adds its input to its output."""

    @property
    def label(self) -> str:
        """Form, kernel, channels, and a plus where it adds its input."""
        return f"{self.form} k{self.kernel_size} c{self.channels}{' +' if self.idskip else ''}"

    @property
    def attributes(self) -> tuple[float, ...]:
        """Kernel size, 1 where it is separable (as an inverted residual that does not expand), idskip."""
        return float(self.kernel_size), float(self.form is Form.SEPARABLE), float(self.idskip)

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:
        """Give what is handed on; the input can be added only where the block keeps its shape."""
        if self.idskip and (slot.stride != 1 or self.channels != carried.channels):
            return None
        shape = strided(carried.features, slot.stride, self.channels)
        return replace(carried, channels=shape.channels, height=shape.height, width=shape.width)

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List one convolution or two."""
        source, shared = carried.features, f"slot{slot.number}"
        residual = (slot.reads, source) if self.idskip else None
        if self.form is Form.PLAIN:
            return (
                convolution(
                    slot.reads,
                    source,
                    channels=self.channels,
                    weights=f"{shared}_plain",
                    writes=slot.writes,
                    kernel=self.kernel_size,
                    stride=slot.stride,
                    activation=Activation.RELU,
                    residual=residual,
                ),
            )
        depthwise = convolution(
            slot.reads,
            source,
            channels=source.channels,
            weights=f"{shared}_depthwise",
            writes=f"{slot.writes}_middle",
            kernel=self.kernel_size,
            stride=slot.stride,
            depthwise=True,
            activation=Activation.RELU,
        )
        pointwise = convolution(
            depthwise.writes,
            depthwise.output,
            channels=self.channels,
            weights=f"{shared}_pointwise",
            writes=slot.writes,
            activation=Activation.RELU,
            residual=residual,
        )
        return depthwise, pointwise
