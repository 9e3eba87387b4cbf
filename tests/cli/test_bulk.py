"""`errata bulk locate`: what it prints, how it ends, and what it refuses."""

import json
from pathlib import Path

import pytest

from errata import bulk
from errata.bulk import local
from errata.bulk.executor import Executor
from tests.cli.conftest import Run, listing

QUICK = ["--steps", "2", "--workers", "1", "--shard-size", "2"]


@pytest.fixture
def prompts(elsewhere: Path) -> Path:
    rows = [
        {"prompt": "The capital of {} is", "subject": name, "answer": "Paris"} for name in ("France", "Italy", "Spain")
    ]
    (elsewhere / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return Path("prompts.jsonl")


def test_help_shows_an_example(run: Run) -> None:
    assert "locate" in run("bulk", "--help").out
    text = " ".join(run("bulk", "locate", "--help").out.split())
    assert "Example: errata bulk locate" in text
    assert all(option in text for option in ("--json", "--dtype", "--device", "--keep-above", "--executor"))


def test_a_run_again_does_nothing_and_says_the_same(run: Run, folder: Path, prompts: Path) -> None:
    found = run("bulk", "locate", folder, prompts, "--out", "out", *QUICK, "--json")
    assert found.code == 0 and found.err == ""
    assert {name: found.json[name] for name in ("prompts", "located", "failed", "shards", "computed", "missing")} == {
        "prompts": 3,
        "located": 3,
        "failed": 0,
        "shards": 2,
        "computed": 2,
        "missing": 0,
    }
    assert str(bulk.read("out").directory.absolute()) == found.json["directory"]
    again = run("bulk", "locate", folder, prompts, "--out", "out", *QUICK)
    assert again.code == 0 and again.err == ""
    assert "3 of 3 prompts located in 2 of 2 shards, 0 of them now" in again.out
    assert found.json["directory"] in again.out.replace("\n", "")


def test_settings_reach_the_job(run: Run, folder: Path, prompts: Path) -> None:
    run(
        "bulk",
        "locate",
        folder,
        prompts,
        "--out",
        "out",
        *QUICK,
        "--set",
        "threshold=0.4",
        "--top",
        "4",
        "--threads",
        "2",
    )
    job = bulk.read("out").job
    assert (job.settings["steps"], job.settings["threshold"], job.keep.top, job.threads) == (2, 0.4, 4, 2)


def test_failed_prompts_are_named_and_the_exit_code_is_1(run: Run, folder: Path, prompts: Path) -> None:
    with prompts.open("a") as file:
        file.write("\n" + json.dumps({"id": "long", "prompt": "France " * 200}))
    result = run("bulk", "locate", folder, prompts, "--out", "out", *QUICK)
    assert result.code == 1
    assert "1 prompts failed" in result.out and "✗ long: The prompt that begins" in result.out
    found = run("bulk", "locate", folder, prompts, "--out", "out", *QUICK, "--json")
    assert (found.code, found.json["failed"], found.json["computed"]) == (1, 1, 0)


def test_an_interrupted_run_says_how_to_go_on(
    run: Run, folder: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(local.Local, "run", interrupt)
    result = run("bulk", "locate", folder, prompts, "--out", "out", *QUICK)
    assert result.code == 130 and "the same command goes on with the rest" in result.err
    assert "Interrupted" in run("bulk", "locate", folder, prompts, "--out", "out", *QUICK, "--json").json["error"]


def test_of_several_processes_one_speaks(
    run: Run, folder: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    command = [
        "bulk",
        "locate",
        folder,
        prompts,
        "--out",
        "out",
        *QUICK[:2],
        "--shard-size",
        "2",
        "--executor",
        "torchrun",
    ]
    silent = run(*command)
    assert (silent.code, silent.out, silent.err) == (0, "", "")
    monkeypatch.setenv("RANK", "0")
    assert run(*command, "--json").json["missing"] == 0


def test_a_rank_with_failures_does_not_stop_the_others(
    run: Run, folder: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts.write_text(json.dumps({"prompt": "France " * 200}) + "\n" + prompts.read_text())
    command = [
        "bulk",
        "locate",
        folder,
        prompts,
        "--out",
        "out",
        *QUICK[:2],
        "--shard-size",
        "2",
        "--executor",
        "torchrun",
    ]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    early = run(*command)
    assert early.code == 0 and "Other processes have 1 of the shards still to write" in early.out
    monkeypatch.setenv("RANK", "1")
    assert run(*command).code == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--keep-above", "2"], "no share"),
        (["--keep-above", "0.2", "--top", "3"], "one of the two"),
        (["--method", "knowledge"], "no localizer 'knowledge'"),
        (["--set", "stepz=3"], "no setting 'stepz'"),
        (["--set", "threshold=5.0"], "threshold"),
        (["--rule", "simpson"], "no quadrature rule"),
        (["--executor", "slurm"], "no executor 'slurm'"),
        (["--shard-size", "0"], "prompts a shard"),
        (["--dtype", "float8"], "no dtype"),
        (["--device", "tpu9"], "tpu9"),
    ],
)
def test_bad_options_write_nothing(
    run: Run, folder: Path, prompts: Path, elsewhere: Path, options: list[str], reason: str
) -> None:
    before = listing(elsewhere)
    result = run("bulk", "locate", folder, prompts, "--out", "out", "--workers", "1", *options)
    assert result.code == 2 and result.out == ""
    assert reason in result.err
    assert listing(elsewhere) == before


def test_a_broken_line_or_model_writes_nothing(run: Run, folder: Path, prompts: Path, elsewhere: Path) -> None:
    before = listing(elsewhere)
    assert "no embedded model" in run("bulk", "locate", "pocket-relu", prompts, "--out", "out").err
    assert listing(elsewhere) == before
    prompts.write_text('{"prompt": "Paris"}\n{"prompt"\n')
    said = run("bulk", "locate", folder, prompts, "--out", "out").err
    assert "prompts.jsonl, line 2: expected an object, found what is not JSON" in " ".join(said.split())
    assert not Path("out").exists()


def test_executors_are_abstract_or_final() -> None:
    assert all(not cls.__subclasses__() for cls in Executor.__subclasses__() if cls.__module__.startswith("errata"))
