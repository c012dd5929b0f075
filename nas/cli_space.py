"""``nas space``: look into a search space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nas.cli_common import DataOption, SpaceOption

app = typer.Typer(help="Look into a search space.", no_args_is_help=True)


@app.command("layers")
def space_layers_command(
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file, for 'profile collect --layers'.")],
    space: Annotated[
        list[str] | None, typer.Option("--space", help="Search space; mobilenetv2 if not given. Repeatable.")
    ] = None,
    data: DataOption = "mnist-5k",
) -> None:
    """Write every layer that a network of the spaces can hold, each once, so that it can be measured."""
    from nas.datasets.data import data_source
    from nas.networks.layers import space_layers
    from nas.spaces import make_space
    from nas.writing import writing
    from parsers.schema import layer_to_json

    source = data_source(data)
    spaces = [make_space(name, image=source.image, classes=source.classes) for name in space or ["mobilenetv2"]]
    layers = {layer.key: layer for one in spaces for layer in space_layers(one)}
    document = {"schema": 1, "layers": [layer_to_json(layer) for layer in layers.values()]}
    with writing(output, "Name another file with -o."):
        output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{len(layers)} layers: {output}")


@app.command("show")
def space_show_command(space: SpaceOption = "mobilenetv2", data: DataOption = "mnist-5k") -> None:
    """Print a space's slots and the hand-made design that it is built around."""
    from nas.datasets.data import data_source
    from nas.networks.layers import network_layers
    from nas.space import choice_label
    from nas.spaces import make_space
    from parsers.roofline import macs

    source = data_source(data)
    shown = make_space(space, image=source.image, classes=source.classes)
    print(
        f"{shown.name}: {len(shown.slots)} slots, {source.image.height}x{source.image.width} images, {source.classes} classes"
    )
    layers = network_layers(shown, shown.manual())
    weights = sum(layer.weight_elements for layer in layers)
    count = shown.count()
    networks = f"{count:,}" if count < 10**6 else f"{count:.3g}"
    print(f"{networks} networks; by hand {sum(map(macs, layers)):,} multiply-accumulates, {weights:,} weights")
    print("slot  stage  stride  choices  can be dropped  by hand")
    for number, slot in enumerate(shown.slots, start=1):
        droppable = "yes" if None in slot.choices else "no"
        print(
            f"{number:4}  {slot.stage + 1:5}  {slot.stride:6}  {len(slot.choices):7}  {droppable:14}  {choice_label(slot.manual)}"
        )
