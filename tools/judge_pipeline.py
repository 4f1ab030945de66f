"""Judge what flagging stages found of a simulated block's faults, by flag versions.

python tools/judge_pipeline.py X.ms original rawflagchans=after_stage_04 lowgainflag=after_stage_11 [--json FILE]

The first version is that before the first stage; ``now`` stands for the flags that the MeasurementSet has.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from atacal.simulate import read_truth
from atacal.simulate.judge import judge_versions, version_path


def main() -> None:
    """Read the command line, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ms", help="a block that `atacal simulate --raw` made, flagged since")
    parser.add_argument("before", help="flag version before the first stage")
    parser.add_argument("stages", nargs="+", metavar="STAGE=VERSION", help="flag version after each stage, in order")
    parser.add_argument("--truth", help="the MeasurementSet beside which the truth lies, if it is another")
    parser.add_argument("--json", help="write the numbers here as well")
    args = parser.parse_args()
    truth = read_truth(args.truth or args.ms)
    truth.ms = args.ms

    def flags(name: str) -> Path:
        return Path(args.ms) if name == "now" else version_path(args.ms, name)

    pairs = [s.split("=", 1) for s in args.stages]
    if any(len(p) != 2 for p in pairs):
        parser.error("stages are given as STAGE=VERSION")
    result = judge_versions(truth, flags(args.before), {stage: flags(version) for stage, version in pairs})
    print(result)
    if args.json:
        Path(args.json).write_text(json.dumps(result.as_dict(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
