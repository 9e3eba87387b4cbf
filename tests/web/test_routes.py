"""Every route, on a tiny model: what is asked is answered, and only commit, undo and redo change the weights."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import errata
from errata.ledger import Ledger
from errata.model.hooks import count_hooks
from errata.model.writing import stream, top_tokens
from tests.ledger.conftest import bits, equal, random_edit
from tests.web.conftest import FACT, Served

QUICK = {"method": "ft_l"}


def test_health_and_state_say_which_model_it_is(served: Served) -> None:
    health = served.client.get("/api/health").json()
    state = served.client.get("/api/state").json()
    assert health == {"status": "ok", "instance": state["instance"]}
    assert state["model"]["n_layers"] == served.view.n_layers and state["model"]["d_ff"] == served.view.d_ff
    assert (state["revision"], state["applied"], state["jobs"]) == (0, 0, [])


def test_an_answer_streams_as_the_command_gives_it(served: Served) -> None:
    prompt = "The capital of France is"
    number = served.client.post("/api/ask", json={"prompt": prompt, "tokens": 5}).json()["id"]
    told = served.follow(number)
    job = told[-1]["job"]
    assert job["state"] == "done" and job["text"] == job["result"]["text"] == "".join(stream(served.view, prompt, 5))
    first = told[0]["job"]["text"]
    assert first + "".join(message["text"] for message in told if message["type"] == "step") == job["text"]
    best = [(row["token"], pytest.approx(row["probability"])) for row in job["result"]["next_tokens"]]
    assert best == top_tokens(served.view, prompt)


def test_a_neuron_that_is_scaled_changes_the_answer_and_not_the_weights(served: Served) -> None:
    before = bits(served.view)
    prompt = "The capital of France is"
    plain = served.result("ask", prompt=prompt)["next_tokens"]
    scalings = [{"layer": 0, "index": index, "factor": 50} for index in range(served.view.d_ff)]
    assert served.result("ask", prompt=prompt, scalings=scalings)["next_tokens"] != plain
    assert served.result("ask", prompt=prompt)["next_tokens"] == plain
    assert equal(bits(served.view), before) and count_hooks(served.view.model) == 0


def test_neurons_come_with_scores_cells_and_tokens(served: Served) -> None:
    found = served.result("locate", subject="France", prompt="The capital of France is", answer="Rome")
    fact = errata.Fact("France", "The capital of {} is", answer="Rome")
    scores = errata.localizer("knowledge_neurons").attribute(served.view, [fact])[0].scores
    assert found["highest"] == pytest.approx(float(scores.max()))
    assert [row["layer"] for row in found["layers"]] == list(range(served.view.n_layers))
    for row in found["layers"]:
        for index, score in row["cells"]:
            assert score == pytest.approx(max(0.0, float(scores[row["layer"], index])))
    best = found["neurons"][0]
    assert float(scores[best["layer"], best["index"]]) == pytest.approx(best["score"]) and len(best["tokens"]) == 8
    asked = served.result("neuron", layer=best["layer"], index=best["index"])
    assert asked["tokens"] == best["tokens"]


def test_a_preview_writes_nothing_and_its_commit_does(served: Served) -> None:
    before = bits(served.view)
    job = served.work(
        "preview", **FACT, **QUICK, neighbours=[{"prompt": "The capital of Spain is", "answer": "Madrid"}]
    )
    assert job["state"] == "done", job
    assert equal(bits(served.view), before) and not served.ledger.exists()
    assert [check["kind"] for check in job["result"]["checks"]] == ["prompt", "neighbour"]
    if job["result"]["doubts"]:
        refused = served.work("commit", preview=job["id"])
        assert refused["state"] == "failed" and job["result"]["doubts"][0] in refused["error"]
        assert not served.ledger.exists()
    committed = served.result("commit", preview=job["id"], despite_doubts=True)
    assert committed == {"edit": 1, "revision": 1} and not equal(bits(served.view), before)
    assert served.work("commit", preview=job["id"])["state"] == "failed"  # once only
    ledger = served.client.get("/api/ledger").json()
    assert (ledger["total"], ledger["applied"], ledger["entries"][0]["facts"][0]["target"]) == (1, 1, "Rome")


def commit(served: Served, **fact: str) -> int:
    job = served.work("preview", **{**FACT, **fact}, **QUICK)
    assert job["state"] == "done", job
    return served.result("commit", preview=job["id"], despite_doubts=True)["edit"]


def test_undo_and_redo_give_the_bits_back(served: Served) -> None:
    untouched = bits(served.view)
    commit(served)
    first = bits(served.view)
    commit(served, subject="Italy", target="Paris")
    both = bits(served.view)
    assert served.result("ledger/2/undo")["revision"] == 3 and equal(bits(served.view), first)
    assert served.result("ledger/2/redo")["revision"] == 4 and equal(bits(served.view), both)
    assert served.result("ledger/undo-to", last=0)["undone"] == [2, 1] and equal(bits(served.view), untouched)
    assert served.work("ledger/2/undo")["state"] == "failed"
    kinds = [event["kind"] for event in served.client.get("/api/ledger").json()["events"]]
    assert kinds == ["undo", "undo", "redo", "undo", "apply", "apply"]


def test_a_preview_of_an_older_ledger_is_refused(served: Served) -> None:
    job = served.work("preview", **FACT, **QUICK)
    commit(served, subject="Italy", target="Paris")
    refused = served.work("commit", preview=job["id"], despite_doubts=True)
    assert refused["state"] == "failed" and "has changed since this preview" in refused["error"]


def test_a_second_correction_of_a_fact_names_the_first(served: Served) -> None:
    commit(served)
    conflict = served.work("preview", **{**FACT, "target": "Berlin"}, **QUICK)
    assert conflict["state"] == "failed" and conflict["conflicts"] == [1]
    instead = served.work("preview", **{**FACT, "target": "Berlin"}, **QUICK, supersede=True)
    assert instead["result"]["supersedes"] == [1]
    assert served.result("commit", preview=instead["id"], despite_doubts=True)["edit"] == 2
    assert [entry["applied"] for entry in served.client.get("/api/ledger").json()["entries"]] == [True, False]


def test_differences_are_the_ledgers(served: Served) -> None:
    assert served.result("diff") == {"layers": []}
    commit(served)
    commit(served, subject="Italy", target="Paris")
    together, alone, pair = served.result("diff"), served.result("diff", a=1), served.result("diff", a=1, b=2)
    assert together["layers"] and "changed" in alone["layers"][0] and "cosine" in pair["layers"][0]


def test_answers_stand_side_by_side(served: Served) -> None:
    prompts = ["The capital of France is", "The capital of Spain is"]
    before = ["".join(stream(served.view, prompt, 24)) for prompt in prompts]
    commit(served)
    after = ["".join(stream(served.view, prompt, 24)) for prompt in prompts]
    held = bits(served.view)
    rows = served.result("compare", prompts=prompts)["rows"]
    assert [row["before"]["text"] for row in rows] == before and [row["after"]["text"] for row in rows] == after
    assert equal(bits(served.view), held)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("peft", {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter/README.md"}),
        ("merged", {"merged/config.json", "merged/model.safetensors", "merged/README.md"}),
    ],
)
def test_an_export_comes_as_a_zip(served: Served, kind: str, names: set[str]) -> None:
    assert served.work("export", kind=kind)["error"].startswith("There is no ledger yet")
    commit(served)
    held = bits(served.view)
    job = served.work("export", kind=kind)
    assert job["state"] == "done", job
    answer = served.client.get(f"/api/exports/{job['id']}")
    assert len(answer.content) == job["result"]["bytes"]
    with ZipFile(BytesIO(answer.content)) as archive:
        assert names <= set(archive.namelist()) and archive.testzip() is None
    assert equal(bits(served.view), held)
    assert served.client.get("/api/exports/99").status_code == 404


def test_a_report_comes_as_a_page(served: Served) -> None:
    commit(served)
    job = served.work("export", kind="report")
    assert job["state"] == "done", job
    answer = served.client.get(f"/api/exports/{job['id']}")
    assert answer.headers["content-disposition"].startswith("attachment") and "What changed" in answer.text


def test_what_another_process_writes_is_followed(served: Served, tiny: Any) -> None:
    served.result("ask", prompt="The capital of France is")
    other = tiny("gpt2")
    with Ledger.open(served.ledger, other) as ledger:
        ledger.apply(random_edit(other, 0))
    served.result("ask", prompt="The capital of France is")
    assert equal(bits(served.view), bits(other))
    assert served.client.get("/api/state").json()["applied"] == 1


def test_bad_requests_get_one_sentence(served: Served) -> None:
    cases = [
        ("ask", {"prompt": "x", "more": 1}, "more"),
        ("ask", {"prompt": ""}, "prompt"),
        ("ask", {"prompt": "x", "tokens": 100000}, "tokens"),
        ("commit", {"preview": 0}, "preview"),
        ("case", {**FACT, "subject": "Nobody"}, ""),
    ]
    for path, body, place in cases:
        answer = served.client.post(f"/api/{path}", json=body)
        if path != "case":
            assert answer.status_code == 422 and answer.json()["error"].startswith(place), answer.text
    broken = served.client.post("/api/case", json={**FACT, "prompt": "The capital of Spain is"})
    assert broken.status_code == 422 and "does not contain the subject" in broken.json()["error"]
    for path in ("/api/jobs/99", "/api/events?job=99"):
        assert served.client.get(path).status_code == 404
    failed = served.work("locate", subject="France", prompt="The capital of Spain is")
    assert failed["state"] == "failed" and "does not contain the subject" in failed["error"]
    assert served.work("preview", **FACT, method="nonsense")["error"].startswith("There is no editor 'nonsense'")
    assert served.work("neuron", layer=99, index=0)["error"].startswith("Neuron (99, 0) is outside")
    assert served.work("ledger/1/undo")["error"].startswith("There is no ledger yet")


def test_what_is_not_about_this_model_is_listed_too(served: Served) -> None:
    methods = served.client.get("/api/methods").json()
    assert "rome" in methods["editors"] and "knowledge_neurons" in methods["localizers"]
    assert served.client.get("/api/examples").json() == []
    completed = served.client.post("/api/case", json=FACT).json()
    assert completed["target"] == "Rome" and completed["paraphrases"] == []


def test_every_route_is_documented(served: Served) -> None:
    described = served.client.get("/openapi.json").json()
    for path, routes in described["paths"].items():
        for verb, route in routes.items():
            assert route.get("summary"), (verb, path)
            good = next(answer for code, answer in route["responses"].items() if code.startswith("2"))
            if path != "/api/exports/{job}":  # a file
                kinds = good["content"]
                assert "text/event-stream" in kinds or kinds["application/json"]["schema"], (verb, path)
    assert {"/api/ask", "/api/preview", "/api/commit", "/api/events", "/api/ledger"} <= set(described["paths"])


def test_the_page_and_its_files_are_served_and_nothing_beside_them(served: Served, tmp_path: Path) -> None:
    page = served.client.get("/")
    assert page.status_code == 200 and "http" not in page.text.replace("http-equiv", "")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    (tmp_path / "secret").write_text("secret")
    for name in ("../wire.py", "%2e%2e/wire.py", "..%2fwire.py", f"/{tmp_path}/secret", "//etc/passwd"):
        assert served.client.get(f"/static/{name}").status_code == 404


def test_a_value_of_another_type_is_no_number(served: Served) -> None:
    """`false` is no 0: it would undo every edit."""
    commit(served)
    for path, body in {
        "ledger/undo-to": {"last": False},
        "commit": {"preview": True},
        "neuron": {"layer": False, "index": 0},
        "ask": {"prompt": "The capital of France is", "tokens": "3"},
        "preview": {**FACT, "supersede": 1},
        "diff": {"a": 2**70},
    }.items():
        assert served.client.post(f"/api/{path}", json=body).status_code == 422, path
    assert served.client.post(f"/api/ledger/{2**70}/undo").status_code == 422
    assert served.client.get("/api/state").json()["applied"] == 1


def test_bodies_that_are_no_json_and_methods_that_are_none(served: Served) -> None:
    for body in (b"{", b"[" * 30000, b'{"tokens": ' + b"9" * 5000 + b"}", b'{"prompt": "\xff"}', b'"\\ud800"'):
        refused = served.client.post("/api/ask", content=body, headers={"content-type": "application/json"})
        assert refused.status_code in (400, 422) and refused.json()["error"], body[:20]
    surrogate = served.client.post("/api/ask", content=b'{"prompt": "x", "\\ud800": 1}')
    assert surrogate.status_code == 422
    wrong = served.client.delete("/api/jobs")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "GET"
    assert served.client.get("/api/state/", follow_redirects=False).status_code == 404
