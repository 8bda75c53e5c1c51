"""What is embedded is put into segments on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synthmatch.library import embedding
from synthmatch.library.library import Library
from synthmatch.networks.encoder import Encoder
from synthmatch.presets.bank import PresetBank
from synthmatch.renderers.pool import RenderPool


def test_parts_never_pile_up(
    tmp_path: Path,
    bank_writer: Callable[..., PresetBank],
    encoder: Encoder,
    other_encoder: Encoder,
    pool: RenderPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever opens a library reads them into memory. What is gathered on the way is the same in the end."""
    bank = bank_writer(tmp_path / "bank.faustpatch", 20)
    with Library.create(tmp_path / "whole") as whole, Library.create(tmp_path / "gathered") as gathered:
        whole.add(bank, encoder=encoder, pool=pool)
        monkeypatch.setattr(embedding, "BATCH", 2)
        monkeypatch.setattr(embedding, "GATHERED", 4)
        apart: list[int] = []

        def count(*_: object) -> None:
            apart.append(embedding.BATCH * len(list(gathered.path.glob("vectors/*/part-*.npz"))))
            with Library.open(gathered.path) as reader:
                seen = [listing.id for listing, _ in reader.search("timbre", query, 20)]
                assert len({*seen}) == len(seen) == len(reader) >= before

        query, before = whole.vectors.space("timbre")[0, 0].astype(np.float32), 0
        gathered.add(bank, encoder=encoder, pool=pool, progress=count)
        assert gathered.fingerprint == whole.fingerprint
        assert gathered.rows.states().keys() == whole.rows.states().keys()
        assert gathered.vectors.ids == whole.vectors.ids
        assert gathered.rows.unsettled() == []
        for space in whole.spaces:
            difference = gathered.vectors.space(space).astype(float) - whole.vectors.space(space).astype(float)
            assert np.abs(difference).max() < 2e-3  # float16 steps: batches were cut elsewhere
        before = 20
        assert gathered.update(other_encoder, progress=count) == 20
        assert len(apart) >= 20
        assert 0 < max(apart) <= 4 + 2 * 2
        assert gathered.verify() == []
        assert len(gathered) == 20
