"""Blocks of convolutions: a plain one (as in VGG and ResNet), or a depthwise and a 1×1 one (Howard et al., 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nas.networks.operations import Activation, Operation, convolution, separable_convolution
from nas.space import Carried, Slot, behind_block


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
        return behind_block(slot, carried, self.channels, idskip=self.idskip)

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
        return separable_convolution(
            slot.reads,
            source,
            channels=self.channels,
            weights=shared,
            writes=slot.writes,
            kernel=self.kernel_size,
            activation=Activation.RELU,
            stride=slot.stride,
            residual=residual,
        )
