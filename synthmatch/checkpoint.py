"""Encoders on disk: safetensors with a JSON header that says what they are. Never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synthmatch.encoder import Encoder, EncoderConfig
from synthmatch.errors import CheckpointError
from synthmatch.files import atomic_path, content_hash

VERSION = 1


def fingerprint(encoder: Encoder) -> str:
    """Hash of an encoder's shape and of every weight."""
    # What the first encoders didn't have is left out where it isn't used: theirs stays the same.
    described = {key: value for key, value in asdict(encoder.config).items() if key != "shared" or value}
    shape = json.dumps(described, sort_keys=True).encode()
    weights = sorted(encoder.state_dict().items())
    return content_hash(shape, *(_bytes(tensor) for _, tensor in weights))


def save(path: Path, encoder: Encoder, facts: Mapping[str, object], half: bool = False) -> None:
    """Write an encoder, wholly or not at all.

    Args:
        facts: what else a reader may want to know (recipe, steps, the presets trained on); JSON values.
        half: whether weights are written in 16-bit numbers, which takes half the space.
    """
    header = {
        "format": "synthmatch encoder",
        "version": str(VERSION),
        "config": json.dumps(asdict(encoder.config)),
        "facts": json.dumps(dict(facts), sort_keys=True),
    }
    kind = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", kind).contiguous() for name, tensor in encoder.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=header)


def load(path: Path) -> tuple[Encoder, dict[str, Any]]:
    """Read an encoder in evaluation mode, and its facts.

    Raises:
        CheckpointError: missing, damaged, or of another kind or version.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} isn't there; name a file that `synthmatch train` wrote.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} isn't a whole safetensors file; copy it again.") from error
    if header.get("format") != "synthmatch encoder":
        raise CheckpointError(f"{path} doesn't hold a synthmatch encoder; name one of `synthmatch train`.")
    if header.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path} is an encoder of version {header.get('version')}, but {VERSION} is read; update synthmatch."
        )
    try:
        config = json.loads(header["config"])
        shape: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config.items()
        }
        encoder = Encoder(EncoderConfig(**shape))
        encoder.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} doesn't fit the encoder in its header; copy it again.") from error
    return encoder.eval(), json.loads(header.get("facts", "{}"))


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
