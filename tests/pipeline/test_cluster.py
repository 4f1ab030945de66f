"""Blocks that are worked on by a cluster's workers: the same bytes as here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atacal.errors import PipelineError
from atacal.pipeline.execute import Workers
from atacal.pipeline.run import Run

STAGES = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hifa_exportdata")


def made(folder: Path, inputs: list[Path], cluster: str = "") -> Path:
    with Run(folder, workers=1, cluster=cluster) as run:
        for task in STAGES:
            run.call(task, {"vis": [str(i) for i in inputs]} if task == "hifa_importdata" else {})
    return folder


def test_a_cluster_gives_the_same_bytes(raw_block, tmp_path):
    distributed = pytest.importorskip("distributed")
    inputs = [raw_block, Path(shutil.copytree(raw_block, tmp_path / "uid___A002_X1_X2.ms"))]
    here = made(tmp_path / "here", inputs)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, scheduler_port=0,
        local_directory=str(tmp_path / "dask"),
    ) as cluster:  # fmt: skip
        there = made(tmp_path / "there", inputs, cluster.scheduler_address)
    for path in sorted((here / "stages").glob("*/result.json")):
        assert (there / path.relative_to(here)).read_bytes() == path.read_bytes()
    assert (there / "products" / "MANIFEST").read_bytes() == (here / "products" / "MANIFEST").read_bytes()


def test_a_scheduler_that_does_not_answer_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(PipelineError, match="no-scheduler"):
        Workers(1, 1 << 30, "no-scheduler://nowhere")
