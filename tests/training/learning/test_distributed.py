"""Two processes find what one finds: gradients, losses, and the moment to stop."""

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file

from synthmatch.networks.encoder import Encoder, EncoderConfig
from synthmatch.training.learning.distributed import Processes
from synthmatch.training.learning.presence import with_ears
from synthmatch.training.learning.soundalikes import find_soundalikes
from synthmatch.training.learning.trainer import Trainer
from synthmatch.training.mixing.batches import Mixer

SCRIPT = """
import json, math, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
import torch
from safetensors.torch import save_file
from synthmatch.networks.encoder import EncoderConfig
from synthmatch.training.learning import trainer as trainer_module
from synthmatch.errors import TrainingError
from synthmatch.training.mixing.batches import Mixer
from synthmatch.training.config import Alterations, Degradations, Recipe
from synthmatch.training.learning.distributed import Processes
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.learning.soundalikes import find_soundalikes
from synthmatch.training.learning.trainer import Trainer

torch.set_num_threads(1)
told = json.loads(Path(sys.argv[1]).read_text())
frozen = lambda values: {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
recipe = Recipe(**{
    **frozen(told["recipe"]),
    "encoder": EncoderConfig(**frozen(told["recipe"]["encoder"])),
    "degradations": Degradations(**told["recipe"]["degradations"]),
    "alterations": Alterations(**told["recipe"]["alterations"]),
})
with Processes.join() as processes:
    mixer = Mixer(NoteBank(Path(told["bank"])), told["presets"], {}, recipe)
    trainer = Trainer(mixer, recipe, Path(told["folder"]), processes)
    trainer.encoder.low_precision = False
    found = find_soundalikes(trainer.encoder, mixer, processes)
    alike = {family: torch.from_numpy(table) for family, table in found.items()}
    save_file(alike, Path(told["folder"]) / f"soundalikes-{processes.rank}.safetensors")
    plan = mixer.planner.plan(0).share(processes.rank, processes.world)
    losses = trainer.take_step(mixer.play(plan))
    grads = {name: value.grad.contiguous() for name, value in trainer.encoder.named_parameters()}
    grads["total"] = losses.total.detach()
    save_file(grads, Path(told["folder"]) / f"grads-{processes.rank}.safetensors")
    trainer.run(stop_at=3)
    later = Trainer(mixer, recipe, Path(told["folder"]), processes)
    assert later.step == 3
    # The first process's clock counts: the other one would never stop.
    later.run(until=0.0 if processes.first else math.inf)
    assert later.step == 3, later.step
    trainer_module.time = SimpleNamespace(monotonic=lambda: later.step)  # a clock that goes by steps
    later.run(until=4 if processes.first else math.inf)
    assert later.step == 4, later.step
    assert processes.same("one") and not processes.same(str(processes.rank))
    try:  # a folder that the other one doesn't share
        Trainer(mixer, recipe, Path(told["folder"]) / ("" if processes.first else "elsewhere"), processes)
        raise AssertionError("processes that find different runs train together")
    except TrainingError as error:
        assert "name folders that all of them share" in str(error)
"""

PRESENCE = """
import json, sys
from functools import partial
from pathlib import Path
import torch
from safetensors.torch import save_file
from synthmatch.networks.encoder import Encoder
from synthmatch.training.config import Recipe
from synthmatch.training.learning import presence, songs
from synthmatch.training.learning.distributed import Processes
from synthmatch.training.mixing import batches
from synthmatch.training.recorded.notebank import NoteBank
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.split import Label

torch.set_num_threads(1)
songs.SECONDS, songs.TOGETHER = 1.0, 7
batches.Company = partial(batches.Company, count=12)
told = json.loads(Path(sys.argv[1]).read_text())
folder = Path(told["folder"])
bank = NoteBank(Path(told["bank"]))
families = {key: family for family, ids in told["presets"].items() for key in ids}
labels = {key: Label(key, "faust", family, "field", key, "train") for key, family in families.items()}
with Processes.join() as processes:
    encoder = Encoder.load(folder / "encoder.safetensors")
    mixer = songs.song_mixer(encoder, Corpus(labels, bank, bank), Recipe(), 1.0)
    teacher = presence.PresenceTrainer(encoder, mixer, presence.Schedule(20), folder, processes)
    teacher.pupil.low_precision = False
    for step in range(3):
        teacher.take_step()
    assert teacher.optimizer.param_groups[1]["lr"] > 0  # of ears, whether there are some or not
    grads = {name: weight.grad.contiguous() for name, weight in teacher._learning()}
    save_file(grads, folder / f"presence-{processes.world}-{processes.rank}.safetensors")
    assert teacher.run()
    again = presence.PresenceTrainer(encoder, mixer, presence.Schedule(20), folder, processes)
    assert again.step == 20
"""


PATIENT = """
import os, sys, time
from datetime import timedelta
from pathlib import Path
from synthmatch.training.learning import distributed

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
(folder / str(rank)).touch()
while len(list(folder.iterdir())) < 2:  # imports may take one of them longer than both are to wait
    time.sleep(0.01)
distributed.PATIENCE = timedelta(seconds=5)
with distributed.Processes.join() as processes:
    if processes.first:
        time.sleep(8)
    processes.wait()
    assert processes.same("one")
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def together(script, told, world):
    """Run a script in so many processes, as `torchrun` starts them."""
    port = str(free_port())
    started = []
    for rank in range(world):
        placed = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_PORT": port}
        environment = {**os.environ, **placed, "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", textwrap.dedent(script), str(told)]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    said = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * world, "\n".join(said)


@pytest.fixture(scope="module")
def asked(tiny):
    """Every loss at once, so that everything is gathered."""
    return replace(
        tiny,
        seconds=1.0,
        memory=4,
        memory_from=0,
        stem_share=0.6,
        mixture_stem_weight=0.5,
        stem_note_weight=0.5,
        note_note_weight=0.5,
        mixtures=4,
    )


def test_two_processes_find_the_gradients_and_soundalikes_of_one(notes, asked, tmp_path):
    told = tmp_path / "told.json"
    folder = tmp_path / "run"
    folder.mkdir()
    document = {
        "recipe": asdict(asked),
        "presets": notes.presets,
        "bank": str(notes.bank.folder),
        "folder": str(folder),
    }
    told.write_text(json.dumps(document))
    together(SCRIPT, told, 2)

    alone = Trainer(Mixer(notes.bank, notes.presets, {}, asked), asked, tmp_path / "alone")
    alone.encoder.low_precision = False
    alike = find_soundalikes(alone.encoder, alone.mixer)
    losses = alone.take_step(alone.mixer.batch(0))
    for rank in range(2):
        tables = load_file(folder / f"soundalikes-{rank}.safetensors")
        assert {family: table.tolist() for family, table in tables.items()} == {
            family: table.tolist() for family, table in alike.items()
        }
        found = load_file(folder / f"grads-{rank}.safetensors")
        assert float(found.pop("total")) == pytest.approx(float(losses.total.detach()), rel=1e-5)
        for name, value in alone.encoder.named_parameters():
            assert value.grad is not None
            scale = float(value.grad.abs().max())
            assert torch.allclose(found[name], value.grad, atol=1e-4 * scale + 1e-8), name


@pytest.mark.parametrize("ears", [True, False], ids=["ears of its own", "head alone"])
def test_two_processes_teach_presence_what_one_does(notes, tiny, tmp_path, ears):
    """Seven songs a step: shares of three and four."""
    torch.manual_seed(0)
    plain = Encoder(replace(tiny.encoder, presence=8))
    (with_ears(plain, EncoderConfig(closer=128, deeper=1)) if ears else plain).save(tmp_path / "encoder.safetensors")
    told = tmp_path / "told.json"
    for world in (1, 2):
        folder = tmp_path / str(world)
        folder.mkdir()
        shutil.copy(tmp_path / "encoder.safetensors", folder)
        told.write_text(json.dumps({"presets": notes.presets, "bank": str(notes.bank.folder), "folder": str(folder)}))
        together(PRESENCE, told, world)
    expected = load_file(tmp_path / "1" / "presence-1-0.safetensors")
    assert any(name.startswith("ears.") for name in expected) == ears
    for rank in range(2):
        found = load_file(tmp_path / "2" / f"presence-2-{rank}.safetensors")
        for name, value in expected.items():
            scale = float(value.abs().max())
            assert torch.allclose(found[name], value, atol=1e-3 * scale + 1e-8), name


def test_the_others_wait_longer_for_a_recording_than_for_a_step(tmp_path):
    together(PATIENT, tmp_path, 2)


def test_alone_nothing_is_sent(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with Processes.join() as processes:
        share = torch.randn(3, 2)
        assert processes.gather(share, (3,)) is share
        assert processes.agree(True)
        assert not processes.agree(False)
        assert processes.first
        processes.wait()
