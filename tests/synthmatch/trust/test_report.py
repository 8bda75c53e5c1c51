from __future__ import annotations

from pathlib import Path

import pytest

from synthmatch.presets.bank import Fault
from synthmatch.trust.report import TrustReport


@pytest.mark.parametrize(("count", "more"), [(0, []), (5, []), (6, ["  and 1 more"]), (40, ["  and 35 more"])])
def test_the_text_names_a_few_and_says_whether_it_leaves_any_out(count: int, more: list[str]) -> None:
    report = TrustReport(9, 9, faults=tuple(Fault(Path("bank"), f"{number} is bad.") for number in range(count)))
    assert report.shortened == bool(more)
    assert [line for line in report.lines() if "more" in line] == more
    assert len(report.lines()) == bool(count) + min(count, 5) + len(more)
