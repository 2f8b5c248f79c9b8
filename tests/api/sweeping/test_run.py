"""Sweeps in one process, after a kill, and by workers of which one dies: the same rows."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("onnxruntime", reason="it judges accuracies")

import n2uqc
from n2uqc.api import sweep as sweeps
from n2uqc.api.sweep import SweepReport
from n2uqc.api.sweeping import SweepStore, plan_sweep, read_spec
from n2uqc.api.sweeping.store import Stored
from n2uqc.api.sweeping.work import compute
from n2uqc.models import data, shipped
from tests.models.training.small import samples

from . import small


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Return all that the store in a folder holds."""
    with SweepStore(folder / "sweep.sqlite") as store:
        return list(store.rows())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], SweepReport]:
    """A folder, a sweep of two trainings in it, and what it gave."""
    folder = tmp_path_factory.mktemp("trained")
    spec = small.spec(folder, accuracy={}, cost={"clock": [50, 100]})
    return folder, spec, n2uqc.sweep(spec)


def test_a_point_is_computed_once(trained: tuple[Path, dict[str, Any], SweepReport]) -> None:
    folder, spec, first = trained
    assert (first.computed, first.reused, first.failures) == (8, 0, 0)
    row = first.rows[1]
    assert row["settings"] == {"schedule.seed": 0, "clock": 100.0}
    assert row["accuracy"]["images"] == row["train"]["samples"] == 12
    assert row["accuracy"]["right"] == pytest.approx(row["train"]["low_bit_right"], abs=1)
    assert row["cost"]["images_per_second"] == 2 * first.rows[0]["cost"]["images_per_second"]
    kept = rows(folder / "out")
    assert not (folder / "out" / "work").exists()
    again = n2uqc.sweep({**spec, "training": {"schedule.seed": [0, 1, 2]}, "cost": {}})
    assert (again.computed, again.reused) == (3, 6)  # the new seed; the clock of 100 MHz was there
    assert set(kept) < set(rows(folder / "out"))
    network = first.network(1)
    assert n2uqc.cost(network).networks[0].comparison.own["lut"] == row["cost"]["lut"]


def test_networks_that_are_there(tmp_path: Path) -> None:
    digits = data.digits().test
    np.savez(tmp_path / "xy.npz", x=digits.images[:30], y=digits.labels[:30])
    model = shipped.path("digits_2bit")
    spec = {
        "models": [str(model)],
        "program": {"stem_bits": [8, 24]},
        "accuracy": {"data": str(tmp_path / "xy.npz")},
        "cost": {"target_cycles": [9000, 1]},
    }
    found = n2uqc.sweep(spec, tmp_path / "out")
    assert [row["settings"]["stem_bits"] for row in found.rows] == [8, 8, 24, 24]
    options = n2uqc.Options.preset("exact", stem_bits=8)
    right = n2uqc.evaluate(model, digits.images[:30], digits.labels[:30], options=options).right
    assert found.rows[0]["accuracy"]["right"] == right
    alone = n2uqc.cost(model, target_cycles=9000, options=options).networks[0].comparison.own
    assert {name: found.rows[0]["cost"][name] for name in alone} == alone
    assert found.failures == 2  # no folding takes one cycle
    assert "failed" in found.rows[1]["cost"] and "failed:" in found.text()


def test_a_failed_point_does_not_stop_the_rest(tmp_path: Path) -> None:
    spec = small.spec(tmp_path, accuracy={})
    spec["training"] = {"network.factory": ["tests.models.training.small:number",
                                            "tests.models.training.small:mlp"]}  # fmt: skip
    found = n2uqc.sweep(spec)
    bad, good = found.rows
    assert bad["train"]["failed"].endswith("gives a int, not a torch Module")
    assert bad["accuracy"] is None and good["accuracy"]["images"] == 12
    assert (found.computed, found.failures) == (3, 1)
    again = n2uqc.sweep(spec)
    assert (again.computed, again.failures) == (0, 1)
    assert n2uqc.sweep(spec, retry=True).computed == 1


DAMAGES = {
    "no JSON": "UPDATE points SET result = '{'",
    "a list": "UPDATE points SET result = '[]'",
    "bytes": "UPDATE points SET result = x'ff'",
    "neither": "UPDATE points SET result = NULL, message = NULL",
    "no table": "DROP TABLE points",
}


@pytest.mark.parametrize("damage", [*DAMAGES, "pages"])
def test_a_damaged_store_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.sqlite"
    with SweepStore(path) as store:
        store.put("k", "cost", {"a": 1}, Stored({"lut": 1}), None)
    if damage == "pages":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    else:
        base = sqlite3.connect(path)
        with base:
            base.execute(DAMAGES[damage])
        base.close()
    with (
        pytest.raises(n2uqc.UserError, match="sweep.sqlite: the store cannot be used"),
        SweepStore(path) as store,
    ):
        store.get("k")


def test_a_worker_of_other_code_says_so(tmp_path: Path) -> None:
    (point, *_) = plan_sweep(read_spec(small.spec(tmp_path))).points.values()
    found = compute(point, "n2uqc 0.0.1")
    assert found.result is None and "than the sweep (n2uqc 0.0.1)" in str(found.message)


def test_a_killed_sweep_goes_on(tmp_path: Path) -> None:
    spec = small.spec(tmp_path, accuracy={}, training={"schedule.seed": [0]})
    spec["recipe"]["data"] = {"format": "dataset", "dataset": f"{small.PLACE}:Drawn"}
    script = f"import n2uqc; n2uqc.sweep({spec!r}, {str(tmp_path / 'a')!r})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KILLED_AT": "150", "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "a" / "work").iterdir())  # it was killed in a training
    assert n2uqc.sweep(spec, tmp_path / "a").computed == 2
    assert n2uqc.sweep(spec, tmp_path / "b").computed == 2
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert not (tmp_path / "a" / "work").exists()


def test_a_training_is_kept_until_the_store_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the process in between: no epoch is trained again."""
    spec = small.spec(tmp_path, training={"schedule.seed": [0]})

    class Ended(BaseException):
        pass

    def end(*_: object) -> None:
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(SweepStore, "put", end)
        with pytest.raises(Ended):
            n2uqc.sweep(spec, tmp_path / "a")
    (work,) = (tmp_path / "a" / "work").iterdir()
    assert (work / "checkpoint.pt").exists()
    with monkeypatch.context() as patch:
        patch.setattr("n2uqc.models.training.loop.Trainer.epoch", end)
        assert n2uqc.sweep(spec, tmp_path / "a").computed == 1
    assert not (tmp_path / "a" / "work").exists()


@pytest.fixture
def networks(tmp_path: Path, trained: tuple[Path, dict[str, Any], SweepReport]) -> dict[str, Any]:
    """Return a sweep of a network that is there, which needs no torch."""
    (tmp_path / "mlp.onnx").write_bytes(trained[2].network(0))
    drawn = samples((6,), 10)
    np.savez(tmp_path / "xy.npz", x=drawn["images"], y=drawn["labels"])
    return {
        "models": [str(tmp_path / "mlp.onnx")],
        "program": {"stem_bits": [8, 24]},
        "accuracy": {"data": str(tmp_path / "xy.npz")},
        "cost": {},
    }


def test_workers_of_which_one_dies_give_the_same_rows(
    tmp_path: Path, networks: dict[str, Any]
) -> None:
    distributed = pytest.importorskip("distributed", reason="sweeps by workers need Dask")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(small.let_the_first_die, str(tmp_path / "died"))
        workers = n2uqc.sweep(networks, tmp_path / "a", scheduler=cluster.scheduler_address)
    assert (tmp_path / "died").exists()
    assert (workers.computed, workers.failures) == (4, 0)
    alone = n2uqc.sweep(networks, tmp_path / "b")
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert alone.rows == workers.rows


@pytest.mark.slow
def test_workers_train_the_same_networks(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="sweeps by workers need Dask")
    spec = small.spec(tmp_path, accuracy={}, cost={})
    spec["recipe"]["data"] = {"format": "dataset", "dataset": f"{small.PLACE}:Drawn"}
    assert n2uqc.sweep(spec, tmp_path / "a", workers=2).computed == 6
    assert n2uqc.sweep(spec, tmp_path / "b").computed == 6
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_a_point_that_kills_its_workers_fails_alone(
    tmp_path: Path, networks: dict[str, Any]
) -> None:
    distributed = pytest.importorskip("distributed", reason="sweeps by workers need Dask")
    import dask

    del networks["cost"]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(small.let_the_first_die, str(tmp_path / "died"))
        address = cluster.scheduler_address
        found = n2uqc.sweep(networks, tmp_path / "a", scheduler=address)
        bad, good = found.rows
        assert "KilledWorker" in bad["accuracy"]["failed"] and good["accuracy"]["images"] == 10
        again = n2uqc.sweep(networks, tmp_path / "a", scheduler=address, retry=True)
    assert (again.computed, again.failures) == (1, 0)


def test_requests_that_cannot_be(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="sweeps by workers need Dask")
    spec = small.spec(tmp_path)
    with pytest.raises(n2uqc.UserError, match="--workers is the number"):
        sweeps.sweep(spec, workers=-1)
    with pytest.raises(n2uqc.UserError, match="--scheduler nowhere://x: "):
        n2uqc.sweep(spec, scheduler="nowhere://x")
    (tmp_path / "out" / "sweep.sqlite").unlink()
    with sqlite3.connect(tmp_path / "out" / "sweep.sqlite") as other:
        other.execute("CREATE TABLE mine (x)")
    with pytest.raises(n2uqc.UserError, match="no store of a sweep"):
        n2uqc.sweep(spec)
