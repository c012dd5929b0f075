from __future__ import annotations

from rich.console import Console

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
