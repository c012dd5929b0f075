from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from metamodel.correction import Correction, NetworkFit
from metamodel.report import fit_summary


def text(table):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_a_summary_without_scores_says_that_there_are_none(lab_artefact):
    assert "Unseen networks: not scored" in text(fit_summary(lab_artefact.manifest))


def test_a_summary_says_on_what_intervals_stand_and_why_likely_members_of_b_are_not_told(lab_artefact):
    shown = text(fit_summary(lab_artefact.manifest))

    assert "90% intervals of latency: by cross-fit on 75 layer configurations" in shown
    assert "Likely ones are not told: 1 layer configurations failed; 10 are needed to tell what fails." in shown


def network_fit(number, **times):
    known = {"sum_ms": 8.0, "corrected_ms": 9.9, "held_out_ms": 9.0, "unseen_ms": 8.8}
    return NetworkFit(network=f"net-{number}", layers=5, predicted_layers=0, wall_ms=10.0, **{**known, **times})


def test_many_whole_networks_are_one_line_a_device(lab_artefact):
    many = Correction(
        device="theirs",
        provider="gpu",
        threads=1,
        per_time=1.1,
        per_node_ms=0.002,
        per_byte_ms=0.0,
        networks=(network_fit(0, sum_ms=7.0), *(network_fit(number, unseen_ms=None) for number in range(1, 11))),
        network_factor=1.25,
    )
    manifest = replace(lab_artefact.manifest, corrections=(*lab_artefact.manifest.corrections, many))

    lines = text(fit_summary(manifest)).splitlines()

    (line,) = [line for line in lines if "theirs, gpu, 1" in line]
    cells = [cell.strip() for cell in line.split("│")[1:-1]]
    assert cells[1:] == [
        "11",
        "1.100·Σt + 2.00 µs·nodes + 0.0 µs·MB",
        "20.91 %",
        "1.00 %",
        "10.00 %",
        "12.00 %",
        "1.250",
    ]
    assert sum("net-" in line for line in lines) == len(lab_artefact.manifest.corrections[0].networks)
    assert "A network's latency on theirs has an interval by that device's own held-out networks." in lines
