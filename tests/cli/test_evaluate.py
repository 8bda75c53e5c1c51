"""What `synthmatch evaluate` refuses before it records anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.split import frozen

SMALL = EncoderConfig(channels=(4, 8, 8), width=16, layers=1, heads=2, dimension=8)


def refused(place: Any, done: Any, reason: str) -> None:
    assert done.status == 1
    assert reason in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (place.home / "training").exists()


def test_encoders_that_may_not_be_asked_are_refused_at_once(place: Any, run: Callable[..., Any]) -> None:
    fair, heard = Path("fair.safetensors"), Path("heard.safetensors")
    Encoder(SMALL).save(fair, {"trained_on": []})
    some = next(label.id for label in frozen().values() if label.synth == "amsynth" and label.side == "train")
    Encoder(SMALL).save(heard, {"trained_on": [some]})
    refused(place, run("evaluate", "--model", fair, "--rival", "none.safetensors"), "none.safetensors isn't there")
    refused(place, run("evaluate", "--model", place.model), "doesn't say which presets it was trained on")
    refused(
        place,
        run("evaluate", "--suite", "unseen-synth", "--model", heard),
        "trained on 1 preset of amsynth, of which it must have heard nothing",
    )
    test = next(label.id for label in frozen().values() if label.side == "test")
    Encoder(SMALL).save(heard, {"trained_on": [test]})
    refused(place, run("evaluate", "--model", fair, "--rival", heard), "trained on 1 test presets")
