"""An export goes to the hub whole: against a hub on loopback, with huggingface_hub itself."""

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from errata.errors import InputError
from errata.export import merged, peft_adapter
from errata.export.base import base_of
from errata.export.push import push
from errata.ledger import Ledger
from errata.model.view import ModelView
from tests.export.hub import COMMIT, TOKEN, Hub, serve


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that holds nothing yet, reached with a token, and large files sent as objects of their own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = Hub(large=("adapter_model.safetensors",))
    server = serve(found)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def adapter(view: ModelView, book: Ledger, tmp_path: Path) -> Path:
    peft_adapter.write(view, book, tmp_path / "adapter", cases=())
    return tmp_path / "adapter"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_file_arrives_and_nothing_else(hub: Hub, adapter: Path) -> None:
    wanted = contents(adapter)
    (adapter / "secret.txt").write_text("mine")
    (adapter / "more").mkdir()
    found = push(adapter, "me/corrections", private=True, endpoint=hub.url)
    assert hub.files == {"me/corrections@main": wanted}
    assert hub.private == {"me/corrections": True} and hub.messages == ["2 corrections of tiny-gpt2"]
    assert (found.repo, found.commit) == ("me/corrections", COMMIT) and sorted(found.files) == sorted(wanted)
    assert found.url == f"{hub.url}/me/corrections/commit/{COMMIT}"
    assert [len(data) for data in hub.objects.values()] == [len(wanted["adapter_model.safetensors"])]


def test_the_address_is_that_of_the_environment(hub: Hub, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)  # what HF_ENDPOINT sets when the library is imported
    push(adapter, "me/corrections", message="First")
    assert hub.messages == ["First"] and hub.private == {"me/corrections": False}


def test_again_into_the_same_repository_and_into_a_branch(hub: Hub, adapter: Path) -> None:
    push(adapter, "me/corrections", endpoint=hub.url)
    (adapter / "README.md").write_text("---\ntags: [mine]\n---\nA card of my own.\n")
    push(adapter, "me/corrections", branch="next", endpoint=hub.url)
    assert set(hub.files) == {"me/corrections@main", "me/corrections@next"}
    assert hub.files["me/corrections@next"] == contents(adapter) != hub.files["me/corrections@main"]


def test_merged_weights_in_shards(hub: Hub, view: ModelView, book: Ledger, tmp_path: Path) -> None:
    found = merged.write(view, book, tmp_path / "out", shard_size="40KB", cases=())
    hub.large = tuple(name for name in found.files if name.endswith(".safetensors"))
    push(tmp_path / "out", "me/merged", endpoint=hub.url)
    assert hub.files["me/merged@main"] == contents(tmp_path / "out")
    assert len(hub.objects) == len(hub.large) > 1


def test_what_the_hub_refuses_is_said_without_the_token(
    hub: Hub, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(repo: str, url: str = hub.url) -> str:
        with pytest.raises(InputError, match="was not pushed") as caught:
            push(adapter, repo, endpoint=url)
        assert TOKEN not in str(caught.value)
        return str(caught.value)

    assert "403" in refused("other/corrections")
    assert "me//x" in refused("me//x")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "401" in refused("me/corrections")
    assert "network" in refused("me/corrections", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "offline" in refused("me/corrections").lower()
    assert hub.files == {} and hub.messages == []


def test_what_is_no_whole_export_is_refused_before_anything_is_sent(
    hub: Hub, adapter: Path, view: ModelView, book: Ledger, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no manifest"):
        push(tmp_path, "me/corrections", endpoint=hub.url)
    card = (adapter / "README.md").read_bytes()
    (adapter / "README.md").unlink()
    with pytest.raises(InputError, match="needs its card"):
        push(adapter, "me/corrections", endpoint=hub.url)
    (adapter / "README.md").write_bytes(card)
    config = (adapter / "adapter_config.json").read_bytes()
    (adapter / "adapter_config.json").write_bytes(config + b" ")
    with pytest.raises(InputError, match="not the file that was exported"):
        push(adapter, "me/corrections", endpoint=hub.url)
    (adapter / "adapter_config.json").rename(tmp_path / "elsewhere")
    (adapter / "adapter_config.json").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_bytes(config)
    with pytest.raises(InputError, match="is a link"):
        push(adapter, "me/corrections", endpoint=hub.url)
    local = base_of(view, str(tmp_path))
    peft_adapter.write(view, book, tmp_path / "local", base=local, cases=())
    with pytest.raises(InputError, match="--base OWNER/NAME"):
        push(tmp_path / "local", "me/corrections", endpoint=hub.url)
    assert hub.asked == []
