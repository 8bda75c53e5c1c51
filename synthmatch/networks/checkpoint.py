"""Networks on disk: safetensors with a JSON header that says what they are. Never pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from synthmatch.errors import CheckpointError
from synthmatch.files import atomic_path, content_hash
from synthmatch.networks.encoder import Encoder, EncoderConfig

VERSION = 1
ENCODER = "synthmatch encoder"


_LATER = ("shared", "presence", "context", "listener", "closer", "deeper", "finer")


def fingerprint(encoder: Encoder) -> str:
    """Hash of an encoder's shape and of every weight."""
    # What the first encoders didn't have is left out where it isn't used: theirs stays the same.
    described = {key: value for key, value in asdict(encoder.config).items() if key not in _LATER or value}
    shape = json.dumps(described, sort_keys=True).encode()
    weights = sorted(encoder.state_dict().items())
    return content_hash(shape, *(_bytes(tensor) for _, tensor in weights))


def save(path: Path, encoder: Encoder, facts: Mapping[str, object], half: bool = False) -> None:
    """Write an encoder, wholly or not at all.

    Args:
        facts: what else a reader may want to know (recipe, steps, the presets trained on); JSON values.
        half: whether weights are written in 16-bit numbers, which takes half the space.
    """
    kind = torch.float16 if half else torch.float32
    tensors = {name: tensor.to(kind) for name, tensor in encoder.state_dict().items()}
    write(path, ENCODER, tensors, asdict(encoder.config), facts)


def load(path: Path) -> tuple[Encoder, dict[str, Any]]:
    """Read an encoder in evaluation mode, and its facts.

    Raises:
        CheckpointError: missing, damaged, not to be read, or of another kind or version.
    """
    tensors, shape, facts = read(path, ENCODER, "synthmatch train")
    try:
        encoder = Encoder(EncoderConfig(**shape))
        encoder.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} doesn't fit the encoder in its header; copy it again.") from error
    encoder.path = path
    return encoder.eval(), facts


def write(
    path: Path, kind: str, tensors: Mapping[str, Tensor], config: Mapping[str, object], facts: Mapping[str, object]
) -> None:
    """Write a network, wholly or not at all.

    Args:
        kind: what it is, "synthmatch encoder" for one.
        config: its shape; ``facts``: what else a reader may want to know. Both are JSON values.
    """
    header = {
        "format": kind,
        "version": str(VERSION),
        "config": json.dumps(dict(config)),
        "facts": json.dumps(dict(facts), sort_keys=True),
    }
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(kept, temporary, metadata=header)


def read(path: Path, kind: str, maker: str) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]]:
    """Read what :func:`write` wrote.

    Args:
        maker: the command that makes such files, for messages.

    Returns:
        Its tensors, its shape (lists as tuples), and its facts.

    Raises:
        CheckpointError: missing, damaged, not to be read, or of another kind or version.
    """
    with reading(path, f"{path} isn't a whole safetensors file; copy it again."):
        if not path.is_file():
            raise CheckpointError(f"{path} isn't there; name a file that `{maker}` wrote.")
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    what = kind.partition(" ")[2]
    article = "an" if what[0] in "aeiou" else "a"
    if header.get("format") != kind:
        raise CheckpointError(f"{path} doesn't hold a {kind}; name one of `{maker}`.")
    if header.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path} is {article} {what} of version {header.get('version')}, but {VERSION} is read; update synthmatch."
        )
    try:
        config = json.loads(header["config"])
        facts = json.loads(header.get("facts", "{}"))
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} doesn't fit the {what} in its header; copy it again.") from error
    return tensors, {key: tuple(each) if isinstance(each, list) else each for key, each in config.items()}, facts


@contextmanager
def reading(path: Path, damaged: str) -> Iterator[None]:
    """Read a safetensors file within; errors are those below.

    Args:
        damaged: what is said of a file that isn't whole, and what to do.

    Raises:
        CheckpointError: the file isn't whole, or can't be read, which says nothing of what is in it.
    """
    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(damaged) from error
    except OSError as error:
        raise CheckpointError(
            f"{path} can't be read ({_reason(path, error)}); see to it that you may read it."
        ) from error


def _reason(path: Path, error: OSError) -> str:
    """Why a file can't be read: safetensors calls each that it can't open missing, so it is opened once more."""
    try:
        path.open("rb").close()
    except OSError as own:
        return own.strerror or str(own)
    return error.strerror or str(error)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
