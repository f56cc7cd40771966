"""`ashiato demo`: a walk through the exchange with real connector processes, and the proof that every step held."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from ashiato.wiring.walkthrough import asking, chain, exchange, rights, secrecy, trust, visiting
from ashiato.wiring.walkthrough.companies import StepFailed
from ashiato.wiring.walkthrough.scene import Scene, Step, now_ms, set_scene
from ashiato.wiring.walkthrough.texts import Language, Texts, language_of
from ashiato.wiring.walkthrough.timeline import Outcome, Report, Timeline

# Later walks are appended here, each with its own steps.
STEPS: tuple[Step, ...] = (
    Step("start", exchange.start),
    *trust.STEPS[:1],
    *exchange.STEPS,
    *rights.STEPS,
    *trust.STEPS[1:],
    *chain.STEPS,
    *asking.STEPS,
    *visiting.STEPS,
    *secrecy.STEPS,
)

HELD, FAILED, INTERRUPTED = 0, 1, 130
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(*, once: bool, as_json: bool, language: Language | None, steps: Sequence[Step] = STEPS) -> int:
    """Walk through the steps; the exit code is 0 only if every step held.

    With `once` everything ends after the last step, without it the companies run on until Ctrl-C. Whatever happens, no
    process and no file of the demonstration is left.
    """
    texts = Texts(language or language_of())
    timeline = Timeline(Console(quiet=as_json), texts, len(steps))
    with tempfile.TemporaryDirectory(prefix="ashiato-demo-") as folder:
        scene = set_scene(Path(folder))
        try:
            return asyncio.run(_walk(scene, steps, timeline, texts, stays=not once, as_json=as_json))
        except asyncio.CancelledError:
            return INTERRUPTED
        finally:
            scene.kill()


async def _walk(
    scene: Scene, steps: Sequence[Step], timeline: Timeline, texts: Texts, *, stays: bool, as_json: bool
) -> int:
    walk = asyncio.current_task()
    if walk is None:
        raise RuntimeError("the walk runs as a task")
    for number in ENDING_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, walk.cancel)
    try:
        report = await _report(scene, steps, timeline, texts)
        if as_json:
            print(msgspec.json.encode(report).decode(), flush=True)
        timeline.close(report)
        if stays and report.ok:
            timeline.stay(scene.companies)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return HELD if report.ok else FAILED
    finally:
        await scene.close()


async def _report(scene: Scene, steps: Sequence[Step], timeline: Timeline, texts: Texts) -> Report:
    """Each step stands on the ones before it: after one that did not hold, none is tried."""
    began_ms = now_ms()
    outcomes: list[Outcome] = []
    timeline.open()
    for number, step in enumerate(steps, start=1):
        if all(outcome.ok for outcome in outcomes):
            with timeline.running(number, step.name):
                outcome = await _outcome(scene, step, texts.title(step.name))
        else:
            outcome = Outcome(name=step.name, title=texts.title(step.name), ok=False)
        outcomes.append(outcome)
        timeline.show(number, outcome, began_ms)
    return Report(
        ok=all(outcome.ok for outcome in outcomes),
        language=texts.language,
        started_ms=began_ms,
        ended_ms=now_ms(),
        steps=tuple(outcomes),
    )


async def _outcome(scene: Scene, step: Step, title: str) -> Outcome:
    started_ms = now_ms()
    problem, facts = None, {}
    try:
        facts = await step.play(scene)
    except StepFailed as failure:
        problem = str(failure)
    return Outcome(
        name=step.name,
        title=title,
        ok=problem is None,
        started_ms=started_ms,
        ended_ms=now_ms(),
        facts=facts,
        problem=problem,
    )
