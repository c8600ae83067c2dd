"""Write synthetic state, district and programme deliveries, and the truth behind them.

    python data_samples/generate.py [--students 6000] [--seed 2016] [--out data_samples] [--no-dirt]

The same options give the same bytes. `landing` and `truth` under the output folder are replaced.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from generator.delivery import Options, deliver


def main() -> None:
    """Read the options and write the deliveries."""
    parser = argparse.ArgumentParser(description="Write synthetic deliveries and the truth behind them.")
    parser.add_argument("--students", type=int, default=6000, help="distinct students over the four years")
    parser.add_argument("--seed", type=int, default=2016)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    parser.add_argument("--no-dirt", action="store_true", help="plant no faults; void and untested stay")
    options = parser.parse_args()
    for written in ("landing", "truth"):
        shutil.rmtree(options.out / written, ignore_errors=True)
    deliver(options.out, Options(options.students, options.seed, not options.no_dirt))


if __name__ == "__main__":
    main()
