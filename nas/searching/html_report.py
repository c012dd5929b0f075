"""A search as one HTML page that needs nothing else: what won, what else could be had, how it was found.

Two kinds of figures stand on the page, and it says of each which it is: costs are *predicted* for the device, accuracies
are *measured* on the machine that searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from nas.limits.signals import CountedSignal
from nas.networks.layers import network_layers
from nas.searching.finalists import Finalist
from nas.searching.front import pareto_front
from nas.searching.run import Outcome
from nas.space import Task, choice_label
from nas.training.accuracy import JUDGED_BY
from parsers.html_page import html_figure, html_page, html_table
from parsers.roofline import macs
from parsers.schema import Layer

_IOU = "intersection over union, mean of the classes"


def report_html(outcome: Outcome, *, model: Path, front: bytes, learning_curve: bytes) -> str:
    """Write the page.

    Args:
        outcome: what was found.
        model: folder of the predictor, by name only.
        front: picture of accuracy against predicted latency, PNG.
        learning_curve: picture of how the search went, PNG.
    """
    title = f"{outcome.space.name} for {outcome.settings.device.title}: what the search found"
    body = [
        f"<h1>{escape(title)}</h1>",
        *_summary(outcome),
        *_winner(outcome),
        *_alternatives(outcome, front),
        *_way(outcome, learning_curve),
        *_basis(outcome, model),
    ]
    return html_page(title, body)


def _summary(outcome: Outcome) -> Iterator[str]:
    winner = outcome.winner
    if winner.test_images:
        score = _IOU if outcome.space.task is Task.SEGMENTATION else "the share that it gets right"
        yield (
            f"<p>The network to ship is <code>best.onnx</code>. It scores {winner.test_accuracy:.1%} on "
            f"{winner.test_images} test images ({score}; measured here, on images that decided nothing). What it costs is "
            "predicted:</p>"
        )
    else:
        yield (
            f"<p>The best network is in <code>best.onnx</code>, with weights that are not trained: a table told the "
            f"accuracies. Its own is {winner.test_accuracy:.1%} as reported there. What it costs is predicted:</p>"
        )
    yield html_table(
        "What the winner costs, predicted, beside the limits and the space's network by hand.",
        ("cost", "winner", "limit", "by hand"),
        [
            (
                f"{signal.name}, {signal.unit}".rstrip(", "),
                f"{cost:.4g}",
                "" if signal.limit is None else f"{signal.limit:.4g}",
                f"{signal.manual:.4g}",
            )
            for signal, cost in zip(outcome.signals, winner.record.costs, strict=True)
        ],
    )


def _winner(outcome: Outcome) -> Iterator[str]:
    winner, space = outcome.winner, outcome.space
    yield "<h2>The winner</h2>"
    yield html_table(
        "Its blocks, slot by slot.",
        ("slot", "block", "by hand"),
        [
            (str(slot.number + 1), choice_label(choice), choice_label(slot.manual))
            for slot, choice in zip(space.slots, winner.architecture, strict=True)
        ],
    )
    layers = network_layers(space, winner.architecture)
    shares = outcome.winner_latencies_ms
    if not shares:
        return
    total = sum(shares) or 1.0
    yield html_table(
        f"Its layers, in the order in which they run, with their predicted shares of the latency; they add up to "
        f"{sum(shares):.2f} ms. No layer was timed for this table.",
        ("layer", "kernel", "stride", "input", "channels", "MMACs", "k weights", "predicted, ms", "share"),
        [(*_told(layer), f"{share:.3f}", f"{share / total:.1%}") for layer, share in zip(layers, shares, strict=True)],
    )


def _told(layer: Layer) -> tuple[str, ...]:
    fused = "".join(f" + {name}" for name in layer.fused_ops)
    return (
        f"{layer.type}{fused}",
        "" if layer.kernel_size is None else str(layer.kernel_size),
        "" if layer.stride is None else str(layer.stride),
        f"{layer.in_channels} × {layer.height} × {layer.width}",
        str(layer.channels),
        f"{macs(layer) / 1e6:.3f}",
        f"{layer.weight_elements / 1e3:.2f}",
    )


def _alternatives(outcome: Outcome, front: bytes) -> Iterator[str]:
    first = _heading(outcome.signals[0])
    sought = outcome.sought
    yield "<h2>What else could be had</h2>"
    on_front = pareto_front(outcome.records)
    positions = {record.choices: number for number, record in enumerate(outcome.records, start=1)}
    yield html_figure(
        front,
        f"{sought.capitalize()} against {first} of {len(outcome.records)} networks, {len(on_front)} of them on the front.",
        "Every network that was asked about. Costs are predicted. What a query tells ranks networks; what one "
        "reaches alone is another figure.",
    )
    yield html_table(
        "The front: no other network that was asked about is better in both. front.csv has them, too.",
        ("query", first, sought),
        [(str(positions[one.choices]), f"{one.cost:.4g}", f"{one.accuracy:.1%}") for one in on_front],
    )
    yield html_table(
        f"The finalists: the best {len(outcome.finalists)} of the search"
        + (
            f", each trained alone. The best of them by validation images wins; the {outcome.winner.test_images} test "
            "images decide nothing."
            if outcome.winner.test_images
            else ", as the table has them."
        ),
        (
            "query",
            first,
            sought,
            "validation, alone",
            "test, alone",
            "MMACs",
            "k weights",
        ),
        [_finalist(one, positions, is_winner=one is outcome.winner) for one in outcome.finalists],
    )


def _heading(signal: CountedSignal) -> str:
    return f"predicted {signal.name}, {signal.unit}".rstrip(", ")


def _finalist(one: Finalist, positions: dict[tuple[int, ...], int], *, is_winner: bool) -> tuple[str, ...]:
    return (
        f"{positions[one.record.choices]}{' (winner)' if is_winner else ''}",
        f"{one.record.cost:.4g}",
        f"{one.record.accuracy:.1%}",
        f"{one.validation_accuracy:.1%}",
        f"{one.test_accuracy:.1%}",
        f"{one.macs / 1e6:.2f}",
        f"{one.weight_elements / 1e3:.1f}",
    )


def _way(outcome: Outcome, learning_curve: bytes) -> Iterator[str]:
    records, settings = outcome.records, outcome.settings
    beyond = sum(not record.within for record in records)
    ended = "" if len(records) == settings.budget else f" of {settings.budget}, where it ended"
    yield "<h2>How it was found</h2>"
    yield html_figure(
        learning_curve,
        "Accuracy of every query and of the best so far; below it, how the controller was regulated.",
        f"{len(records)} accuracy queries{ended}; {beyond} of them about networks beyond the limits. "
        f"They took {sum(record.seconds for record in records):.0f} s. history.parquet has every one.",
    )


def _basis(outcome: Outcome, model: Path) -> Iterator[str]:
    settings, device = outcome.settings, outcome.settings.device
    yield "<h2>What this page stands on</h2>"
    yield html_table(
        "Settings; run.toml starts the same search again.", ("setting", "value"), _settings(outcome, model)
    )
    formula = (
        " This tier is a formula's phone: its costs come from a roofline model, and nobody measured them."
        if device.roofline is not None
        else ""
    )
    costs = (
        f"Costs are predicted by the model in {model} for {device.title} ({device.name}).{formula} Nothing on this page "
        "was measured there: 'nas verify' measures the best networks on a device."
    )
    choice = (
        "The winner was chosen by validation images. Of several finalists that were judged on the same images, the best "
        "looks a little better than it is; test images, which no choice has seen, do not."
    )
    if not outcome.winner.test_images:
        yield f"<ul><li>{escape(costs)}</li><li>Accuracies are those of the table {escape(settings.data)}.</li></ul>"
        return
    points: Sequence[str] = (
        costs,
        f"Accuracy is measured where the search ran: by {JUDGED_BY[outcome.settings.accuracy]}, alone for the finalists.",
        choice,
        "best.onnx was run by ONNX Runtime and computes what torch computes.",
    )
    yield f"<ul>{''.join(f'<li>{escape(point)}</li>' for point in points)}</ul>"


def _settings(outcome: Outcome, model: Path) -> list[tuple[str, str]]:
    settings = outcome.settings
    return [
        ("device", f"{settings.device.name}, {settings.device.provider}, threads: {settings.device.threads}"),
        ("limits", ", ".join(map(str, settings.limits)) or "none"),
        ("primary, secondary", f"{settings.primary}, {', '.join(settings.secondary) or 'what is limited'}"),
        ("confidence", f"{settings.confidence:g}" if settings.confidence else "predictions as they are"),
        ("space", settings.space),
        ("data", settings.data),
        ("controller", settings.controller),
        ("assist", settings.assist),
        ("potential, epsilon, shaping", f"{settings.potential}, {settings.epsilon}, {settings.shaping}"),
        ("budget, patience", f"{settings.budget}, {settings.patience or 'none'}"),
        ("seed", str(settings.seed)),
        ("accuracy", JUDGED_BY[settings.accuracy]),
        (
            "epochs: shared, tuning, brief, alone",
            ", ".join(f"{one.epochs:g}" for one in (settings.shared, settings.tuning, settings.brief, settings.alone)),
        ),
        ("finalists", str(settings.finalists)),
        ("model", model.as_posix()),
    ]
