"""Judge what flagging stages found of a simulated block's faults, by flag versions.

python tools/judge_pipeline.py X.ms original rawflagchans=after_stage_04 lowgainflag=after_stage_11 [--json FILE]
python tools/judge_pipeline.py RUN/X.ms --run RUN --truth X.ms

The first version is that before the first stage; ``now`` stands for the flags that the MeasurementSet has. Of a run of
the pipeline the versions are found by themselves.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from atacal.simulate import read_truth
from atacal.simulate.judge import judge_versions, version_path


def versions_of_run(run: Path, ms: str) -> list[tuple[str, Path]]:
    """Return stages (without ``hifa_`` and the like) and the flag versions that they left, the first one in front."""
    found = []
    for folder in sorted((run / "stages").glob("[0-9]*-*")):
        number, task = folder.name.split("-", 1)
        path = version_path(ms, f"after_stage_{int(number):02d}")
        if path.is_dir():
            found.append((task.split("_", 1)[-1], path))
    return found


def main() -> None:
    """Read the command line, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ms", help="a block that `atacal simulate --raw` made, flagged since")
    parser.add_argument("before", nargs="?", help="flag version before the first stage")
    parser.add_argument("stages", nargs="*", metavar="STAGE=VERSION", help="flag version after each stage, in order")
    parser.add_argument("--run", type=Path, help="a run directory of the pipeline, in place of versions")
    parser.add_argument("--truth", help="the MeasurementSet beside which the truth lies, if it is another")
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    args = parser.parse_args()
    truth = read_truth(args.truth or args.ms)
    truth.ms = args.ms

    def flags(name: str) -> Path:
        return Path(args.ms) if name == "now" else version_path(args.ms, name)

    if args.run:
        found = versions_of_run(args.run, args.ms)
        if len(found) < 2:
            parser.error(f"{args.run}: no two stages have left flag versions of {args.ms}")
        (_, before), *after = found
    else:
        if not args.before or not args.stages or any("=" not in s for s in args.stages):
            parser.error("give the version before and STAGE=VERSION for each stage, or --run")
        before = flags(args.before)
        after = [(stage, flags(version)) for stage, version in (s.split("=", 1) for s in args.stages)]
    result = judge_versions(truth, before, dict(after))
    print(result)
    if args.json:
        args.json.write_text(json.dumps(result.as_dict(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
