"""What a thread of a pool does for those that don't wait any more: nothing."""

from __future__ import annotations

from synthmatch.errors import RenderError
from synthmatch.notes import Performance
from synthmatch.presets import faustsynth
from synthmatch.renderers.pool import RenderPool
from synthmatch.renderers.renderer import RenderJob, RenderSettings
from synthmatch.renderers.slot import Run

JOB = RenderJob(faustsynth.make_state({}), (Performance.single(60, 100, 0.1, 0.1),), RenderSettings(settle=0.0))


def test_a_left_runs_queued_jobs_neither_end_a_host_nor_start_one() -> None:
    left = Run(cancelled=True)
    with RenderPool(1) as pool:
        for rendered in (False, True):
            pids = pool.pids()
            pool._shared.tasks.put((left, JOB))
            assert isinstance(left.results.get(timeout=60), RenderError)
            assert pool.pids() == pids
            assert len(pids) == rendered
            assert next(pool.render([JOB])).ok
        assert pool.pids() == pids
