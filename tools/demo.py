"""The main job, end to end on this machine: measure layers, fit the predictor, search a network.

``make demo`` runs it after the set-up. It types the same commands that a person would and shows each; everything it
writes lies in ``runs/``, ``models/`` and ``searches/``, which git ignores. Two demos at once would measure each other,
so the second waits for the first, and then finds the campaign measured.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from environment import ROOT, locked, say

COMMANDS = (
    "profile collect --device host --suite demo --campaign demo",
    "metamodel fit datasets/stats.parquet runs/demo/stats.parquet -o models/demo",
    "nas run --tier flagship --space mobilenetv2-tiny --limit latency=24ms --model models/demo -o searches/demo",
)
"""Each reads what the one before it wrote."""


def main() -> int:
    """Run the commands one after the other; stop at the first that fails, with its exit code."""
    with locked(ROOT / ".demo.lock", "demo") as lock:
        for number, line in enumerate(COMMANDS, start=1):
            say(f"\n[{number}/{len(COMMANDS)}] {line}")
            program, *arguments = shlex.split(line)
            command = [str(Path(sys.executable).parent / program), *arguments]
            done = subprocess.run(command, cwd=ROOT, pass_fds=(lock,), check=False)
            if done.returncode != 0:
                return done.returncode
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
