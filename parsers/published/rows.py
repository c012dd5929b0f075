"""A published table as rows: what every reader of one hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parsers.dump import Buffer, Reject
from parsers.published.phones import Hardware, Phone
from parsers.published.sketch import Sketch
from parsers.schema import (
    Context,
    DeviceKind,
    Execution,
    Measurement,
    Origin,
    Provenance,
    Row,
    Scope,
    Value,
    row_values,
    sparse_row_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """One published time: of a layer, of one that is known in part, or of a network."""

    sketch: Sketch
    context: Context
    execution: Execution
    measurement: Measurement
    provenance: Provenance
    unknown: tuple[str, ...] = ()
    """Columns that are not known, though the records above have no null for them."""

    @property
    def type(self) -> str:
        """The layer's type."""
        return self.sketch.type

    def cells(self) -> dict[str, Value]:
        """Give the row's cells of ``stats.parquet``."""
        return self._known_cells() | dict.fromkeys(self.unknown)

    def _known_cells(self) -> dict[str, Value]:
        if self.sketch.layer is None:
            return sparse_row_values(
                self.sketch.known,
                context=self.context,
                execution=self.execution,
                measurement=self.measurement,
                provenance=self.provenance,
            )
        return row_values(
            Row(
                layer=self.sketch.layer,
                context=self.context,
                execution=self.execution,
                measurement=self.measurement,
                provenance=self.provenance,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published table as it was read."""

    rows: Sequence[PublishedRow]
    rejects: Sequence[Reject] = ()
    notes: Sequence[str] = ()
    """What a reader of the rows should know, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One kind of published table, and who reads it."""

    name: str
    """What ``profile import`` takes."""
    meaning: str
    """Whose table it is, in a few words."""
    read: Callable[[Buffer, str, Mapping[str, Phone]], Published]
    """Read a file, given its name without the ending and the phones; raises PublishedError where it is another table."""
    pattern: str | None = None
    """Which files of a folder belong to it; ``None`` where it is a single file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How a table's times in one column were measured."""

    device: str
    hardware: Hardware
    provider: str
    precision: str
    runtime_version: str | None
    campaign: str

    def row(
        self,
        sketch: Sketch,
        measurement: Measurement,
        *,
        scope: Scope,
        job: str,
        networks: tuple[str, ...] = (),
        kernel: str | None = None,
    ) -> PublishedRow:
        """Make a row of a time measured in this setting.

        Args:
            sketch: the layer, of this setting's precision.
            measurement: what was published of it.
            scope: of what was timed.
            job: names the row among the device's in this table.
            networks: that contain the layer.
            kernel: the runtime's own program that ran it, where told; it is no part of the layer.
        """
        hardware = self.hardware
        unknown = hardware.unknown if hardware.threads is not None else (*hardware.unknown, "threads")
        return PublishedRow(
            sketch=sketch,
            context=hardware.context,
            execution=Execution(
                scope=scope,
                provider=self.provider,
                provider_used=f"{self.provider}:{kernel}" if kernel else None,
                threads=hardware.threads or 1,
                affinity=hardware.affinity,
            ),
            measurement=measurement,
            provenance=Provenance(
                origin=Origin.IMPORTED,
                device_kind=DeviceKind.PHONE,
                device=self.device,
                soc=hardware.soc,
                campaign=self.campaign,
                job=job,
                networks=networks,
                runtime_version=self.runtime_version,
            ),
            unknown=unknown,
        )


def notes_of(rows: Sequence[PublishedRow], phones: Mapping[str, Phone]) -> tuple[str, ...]:
    """Say what is not known of the rows' layers and phones."""
    notes: list[str] = []
    partly = sum(row.sketch.layer is None for row in rows if row.execution.scope is not Scope.NETWORK)
    if partly:
        notes.append(f"{partly} rows are of layers that the table tells in part only: they have no layer_key.")
    for device in dict.fromkeys(row.provenance.device for row in rows):
        phone = phones.get(device)
        if phone is None:
            notes.append(f"{device} is no phone of device_configs/published_phones.toml: its hardware is null.")
        elif phone.uncertain:
            notes.append(f"Of {device}'s hardware these are uncertain: {', '.join(phone.uncertain)}.")
    return tuple(notes)
