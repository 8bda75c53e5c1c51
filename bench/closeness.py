"""What a score is worth: ``python bench/closeness.py --data FOLDER``.

Asks the benchmark's mixtures for the presets that play in them, among libraries that lack ever more of what is near to
the right one: all that lie within some distance of it. So it is known of every match how far it is from the truth, and
of every question whether anything close was there at all. Distances are those of near-duplicates: the mean difference
in dB of the five reference notes' log-mels. Prints what matches of a score are worth, on which the words for scores
rest, and how surely the best score tells that nothing is close. Writes ``closeness.md``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from synthmatch.files import write_text
from synthmatch.matching.results import CLOSE, CLOSE_ELSEWHERE
from synthmatch.networks.encoder import Encoder
from synthmatch.networks.features import sound_print
from synthmatch.pages.cards import WORDS_FOR_SCORE
from synthmatch.training.benchmark.queries import CORE, mixture_queries
from synthmatch.training.benchmark.suites import CANDIDATES, candidates
from synthmatch.training.config import read_recipe
from synthmatch.training.recorded.corpus import Corpus
from synthmatch.training.recorded.recording import gather

HERE = Path(__file__).parent
MIXTURES = 600
NEAR = 8.0
"""dB within which a preset counts as close: about the nearest hundredth of a family."""
SIMILAR = 12.0
"""dB within which it counts as similar: about the nearest tenth."""
LACKING = (0, 2, 4, 6, 8, 10, 12, 15)
"""What libraries lack: all that lies within so many dB of the truth; with 0 nothing."""
WHOLE = (0, 0, 0, 4, 8)
"""The same for what matches are worth: most parts come from the library, some don't."""
SHOWN = 5
FALSE_ALARMS, FOUND = 0.1, 0.8

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions about one family.

    Args:
        scores: (Q, K), the cosine of each candidate's best note.
        distances: (Q, K), dB from the preset that plays.
    """

    scores: Floats
    distances: Floats

    def matches(self) -> tuple[Floats, Floats]:
        """Scores and distances of the matches that would be shown."""
        found = []
        for lacking in WHOLE:
            for scores, distances in self._among(lacking):
                first = np.argsort(-scores)[:SHOWN]
                found.append(np.stack([scores[first], distances[first]], axis=1))
        scores, distances = np.concatenate(found).T
        return scores, distances

    def bests(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """The best score of each question to each library, and whether something close was there."""
        pairs = [(s.max(), bool(d.min() <= NEAR)) for lacking in LACKING for s, d in self._among(lacking)]
        scores, close = zip(*pairs, strict=True)
        return np.array(scores), np.array(close)

    def _among(self, lacking: float) -> list[tuple[Floats, Floats]]:
        rows = zip(self.scores, self.distances, strict=True)
        return [(s[d > lacking], d[d > lacking]) if lacking else (s, d) for s, d in rows]


def main() -> None:
    """Ask, print and write."""
    parser = argparse.ArgumentParser(description="Measure what scores are worth.")
    parser.add_argument("--data", type=Path, required=True, help="where recorded notes are kept")
    parser.add_argument("--mixtures", type=int, default=MIXTURES)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    asked = ask(gather(chosen.data, read_recipe("released").extra_notes), Encoder.released(), chosen.mixtures)
    text = page(asked, chosen.mixtures)
    print(text, end="")
    write_text(HERE / "closeness.md", text)


def ask(corpus: Corpus, encoder: Encoder, count: int) -> dict[str, Asked]:
    """The questions of some mixtures, by family."""
    queries = mixture_queries(corpus, count)
    with torch.inference_mode():
        heard = torch.cat([encoder.encode_query(batch)[0] for batch in queries.batches(16)])
        found = {}
        for family in CORE:
            ids = candidates(corpus, family, CANDIDATES[family])
            questions = [each for each in queries.asked if each.family == family]
            place = encoder.config.families.index(family)
            notes = torch.stack([encoder.encode_reference(_notes(corpus, key))[:, place] for key in ids])
            asking = heard[[each.query for each in questions], place]
            scores = torch.einsum("qd,knd->qkn", asking, notes).amax(dim=2)
            distances = far(corpus, ids, {each.preset for each in questions})
            found[family] = Asked(
                scores.double().numpy(), np.stack([distances[each.preset] for each in questions]).astype(np.float64)
            )
    return found


def far(corpus: Corpus, ids: list[str], truths: set[str]) -> dict[str, Floats]:
    """dB from each of some presets to all candidates, (K,)."""
    prints = torch.stack([sound_print(_notes(corpus, key)).half().flatten() for key in ids])
    found = {}
    for truth in sorted(truths):
        own = prints[ids.index(truth)].float()
        found[truth] = torch.cat([_apart(own, some.float()) for some in prints.split(64)]).numpy()
    return found


def _apart(own: Tensor, others: Tensor) -> Tensor:
    """:func:`synthmatch.networks.features.sounding_distance` of one print (C,) and many (K, C)."""
    sounding = (torch.maximum(own, others) > -60).sum(dim=1).clamp(min=1)
    return (own - others).abs().sum(dim=1) / sounding


def _notes(corpus: Corpus, key: str) -> Tensor:
    return torch.from_numpy(corpus.notes.references(key))


def page(asked: dict[str, Asked], count: int) -> str:
    """Two tables as Markdown."""
    lines = [
        "# What a score is worth, measured",
        "",
        f"Written by `python bench/closeness.py` over {count} mixtures. Matches by score: how many there were, and how",
        f"many of them, in per cent, are close ({NEAR:g} dB) or at least similar ({SIMILAR:g} dB) to what plays.",
        "",
        "| score | called | " + " | ".join(f"{family}, matches | close | similar" for family in asked) + " |",
        "| --- | --- |" + " --- | --- | --- |" * len(asked),
    ]
    matches = {family: each.matches() for family, each in asked.items()}
    above = 2.0
    for least, word in WORDS_FOR_SCORE:
        inside = {family: (scores >= least) & (scores < above) for family, (scores, _) in matches.items()}
        cells = [f"{which.sum()} | {_within(matches[family][1][which])}" for family, which in inside.items()]
        bound = f"from {least:g}" if least > -1 else f"below {above:g}"
        lines.append(f"| {bound} | {word} | {' | '.join(cells)} |")
        above = least
    lines += [
        "",
        "Whether anything close is in the library at all, told by the best score. AUC is the chance that of a question",
        "with something close and one without the former scores higher; the limit is where a tenth of the former would",
        "be false alarms; the last column tells how many would be if it were set where four in five are found.",
        "",
        "| family | nothing close | AUC | limit | found | said below | false alarms | found | at 80 % found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [_row(family, *each.bests()) for family, each in asked.items()]
    return "\n".join(lines) + "\n"


def _row(family: str, best: Floats, close: npt.NDArray[np.bool_]) -> str:
    there, lacking = best[close], best[~close]
    limit, said = np.quantile(there, FALSE_ALARMS), CLOSE.get(family, CLOSE_ELSEWHERE)
    auc = (there[:, None] > lacking[None]).mean()
    alarms = (there < np.quantile(lacking, FOUND)).mean()
    cells = (f"{limit:.2f}", _share(lacking < limit), f"{said:.2f}", _share(there < said), _share(lacking < said))
    return f"| {family} | {_share(~close)} | {auc:.2f} | {' | '.join(cells)} | {100 * alarms:.0f} |"


def _within(distances: Floats) -> str:
    return f"{_share(distances <= NEAR)} | {_share(distances <= SIMILAR)}"


def _share(which: npt.NDArray[np.bool_]) -> str:
    return f"{100 * which.mean():.0f}" if which.size else ""


if __name__ == "__main__":
    main()
