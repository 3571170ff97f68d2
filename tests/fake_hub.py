"""A local stand-in for the Hugging Face Hub's client."""

import socket
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest


class FakeHub:
    """The part of `HfApi` that uploads use; keeps what each repository holds, as the Hub would."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[dict[str, Any]] = []
        self.repositories: dict[str, dict[str, bytes]] = {}

    def create_repo(self, repo_id: str, **options: Any) -> str:
        if self.error:
            raise self.error
        self.calls.append(options)
        self.repositories.setdefault(repo_id, {})
        return f"https://huggingface.co/{repo_id}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], **options: Any) -> None:
        self.calls.append(options)
        if options["delete_patterns"] == ["*"]:
            self.repositories[repo_id].clear()
        for name in allow_patterns:
            self.repositories[repo_id][name] = (folder_path / name).read_bytes()


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a dry run touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(huggingface_hub, "HfApi", refuse)
