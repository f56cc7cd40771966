import asyncio
import json
import os
import signal
import subprocess
import sys
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hatchling.builders.wheel import WheelBuilder

from ashiato.wiring import demo
from ashiato.wiring.walkthrough import exchange
from ashiato.wiring.walkthrough.companies import Json, StepFailed, expect
from ashiato.wiring.walkthrough.record import published_record
from ashiato.wiring.walkthrough.scene import Scene, Step
from tests.chain_by_hand import by_hand, delivered_per_kwh, gate_per_kwh, raw_chain

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST_WALK_S = 120


async def start_one_company(scene: Scene) -> Json:
    await scene.maker.start()
    return {}


START = Step("start", start_one_company)


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demonstration makes its files; what it leaves behind is found here."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


class Walk(msgspec.Struct, frozen=True):
    """What a whole demonstration told, which processes ran after its last step, and what Ctrl-C left of it."""

    report: Json
    running_pids: frozenset[int]
    exit_code: int
    survivors: tuple[int, ...]
    files: tuple[Path, ...]

    def facts(self, step_name: str) -> Json:
        """The facts of one step."""
        facts: Json = next(step["facts"] for step in self.report["steps"] if step["name"] == step_name)
        return facts


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The demonstration as a user starts it, in Japanese and without --once, ended by Ctrl-C."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "ashiato.wiring.main", "demo", "--json", "--language", "ja"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            report = json.loads(process.stdout.readline())
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            exit_code = process.wait(LONGEST_WALK_S)
        finally:
            process.kill()
    return Walk(
        report=report,
        running_pids=frozenset(child.pid for child in children),
        exit_code=exit_code,
        survivors=tuple(child.pid for child in children if child.is_running()),
        files=tuple(folder.iterdir()),
    )


def connectors() -> list[psutil.Process]:
    """The connector processes below this one."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE and "serve" in child.cmdline()
    ]


def test_every_step_holds_and_is_told_in_order(walk: Walk) -> None:
    steps = walk.report["steps"]
    assert [step["name"] for step in steps] == [step.name for step in demo.STEPS]
    assert [step["problem"] for step in steps if not step["ok"]] == []
    assert walk.report["ok"] is True
    instants = [instant for step in steps for instant in (step["started_ms"], step["ended_ms"])]
    assert instants == sorted(instants)


def test_the_data_has_the_hash_of_the_published_record(walk: Walk) -> None:
    assert walk.facts("verify")["sha256"] == walk.facts("publish")["sha256"]
    assert walk.facts("verify")["size_bytes"] == len(published_record())


def test_the_third_company_is_told_whom_the_offer_is_for(walk: Walk) -> None:
    [cells] = [
        company["participant_id"]
        for company in walk.facts("start")["companies"]
        if company["company"] == "Demo Cell Maker"
    ]
    assert cells in walk.facts("refuse")["reason"]


def test_one_approval_carries_twenty_agreements(walk: Walk) -> None:
    facts = walk.facts("framework")
    assert (facts["approvals_count"], facts["agreements_count"]) == (1, 20)


def test_an_ended_agreement_gives_nothing_and_cuts_what_runs(walk: Walk) -> None:
    assert "terminated" in walk.facts("end_agreement")["problem"]
    assert walk.facts("cut_stream")["sent_bytes"] > 0
    assert walk.facts("cut_stream")["stopped_after_ms"] < 1000


def test_the_killed_company_goes_on_as_another_process(walk: Walk) -> None:
    facts = walk.facts("survive_crash")
    assert facts["state"] == "FINALIZED"
    assert facts["pid"] in walk.running_pids
    assert facts["killed_pid"] not in walk.running_pids


@pytest.mark.parametrize("pack_id", ["nmc811-pack", "lfp-pack"])
def test_the_chain_tells_what_the_sum_by_hand_says(walk: Walk, pack_id: str) -> None:
    """Each tier rounds to three digits, so a figure of the last one lies within a percent of the exact one."""
    chain, name = raw_chain(), pack_id.removesuffix("-pack")
    declared, swapped = walk.facts("chain_declare"), walk.facts("chain_swap")
    assert declared[f"{name}_primary_percent"] == "0"
    delivered = sum(delivered_per_kwh(chain, pack_id).values())
    assert Fraction(declared[f"{name}_delivered_g"]) / 1000 == pytest.approx(delivered, rel=0.01)
    capacity = sum(by_hand(chain, pack_id).values()) / 100
    after = sum(by_hand(chain, pack_id, chain["swap"]["products"]).values()) / 100
    assert Fraction(declared[f"{name}_capacity"]) == pytest.approx(capacity, rel=0.01)
    assert Fraction(swapped[f"{name}_after"]) == pytest.approx(after, rel=0.01)
    gate = walk.facts("chain_compare")[f"{name}_gate"]
    assert Fraction(gate) == pytest.approx(gate_per_kwh(chain, pack_id), rel=0.01)
    stages = {stage: kg / 100 for stage, kg in by_hand(chain, pack_id).items()}
    for stage, kg in stages.items():
        assert Fraction(declared[f"{name}_{stage}"]) == pytest.approx(kg, rel=0.02)


def test_eight_companies_hand_on_fifteen_declarations_and_nobody_sees_past_its_partners(walk: Walk) -> None:
    assert walk.facts("chain_start")["companies_count"] == 8
    # Six of the refiners, graphite, two powders, two cells, and of two packs the declaration and the figures per kWh.
    assert walk.facts("chain_declare")["contracts_count"] == 6 + 1 + 2 + 2 + 4
    # One for the pack, the cell, the powder and the graphite, and three of the powder's own.
    request = walk.facts("chain_request")
    assert (request["trades_count"], request["completed_count"]) == (7, 7)
    facts = walk.facts("chain_secrecy")
    assert facts["found_count"] == 0
    assert facts["canaries_count"] > 100
    assert [facts[f"{slug}_partners"] for slug in ("cells", "packs", "vehicles")] == [3, 2, 1]
    assert [facts[f"{slug}_hidden"] for slug in ("cells", "packs", "vehicles")] == [4, 5, 6]


def test_a_verifier_sees_two_lines_and_its_word_is_counted_by_the_next_tier(walk: Walk) -> None:
    facts = walk.facts("chain_verify")
    assert facts["sampled_count"] == 2 < facts["lines_count"]
    # The powder's own declaration is what was verified: no more of the cell's figure than the powder brings into it.
    assert (facts["before_percent"], 0 < float(facts["after_percent"]) < 100) == ("0.0", True)


def test_the_companies_run_until_ctrl_c_which_leaves_nothing_of_them(walk: Walk) -> None:
    assert len(walk.running_pids) == 8
    assert walk.exit_code == 0
    assert walk.survivors == ()
    assert walk.files == ()


def test_a_step_that_does_not_hold_ends_everything(
    temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(scene: Scene) -> Json:
        assert len(connectors()) == 1
        raise StepFailed("The moon is in the wrong house.")

    steps = (START, Step("verify", fail), Step("refuse", fail))
    assert demo.run(once=True, as_json=True, language="en", steps=steps) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    told = [(step["ok"], step["problem"], step["started_ms"] is None) for step in report["steps"]]
    assert told == [
        (True, None, False),
        (False, "The moon is in the wrong house.", False),
        (False, None, True),
    ]
    assert connectors() == []
    assert list(temporary_folder.iterdir()) == []


def test_a_defect_in_a_step_leaves_no_process(temporary_folder: Path) -> None:
    async def stumble(scene: Scene) -> Json:
        return {"missing": scene.remembered["never stored"]}

    with pytest.raises(KeyError):
        demo.run(once=True, as_json=True, language="en", steps=(START, Step("verify", stumble)))
    assert connectors() == []
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_in_the_middle_leaves_nothing(temporary_folder: Path, number: signal.Signals) -> None:
    async def interrupted(scene: Scene) -> Json:
        assert len(connectors()) == 1
        os.kill(os.getpid(), number)
        await asyncio.sleep(LONGEST_WALK_S)
        return {}

    assert demo.run(once=True, as_json=True, language="en", steps=(START, Step("verify", interrupted))) == 130
    assert connectors() == []
    assert list(temporary_folder.iterdir()) == []


def test_a_connector_that_does_not_start_is_told_with_its_log(
    temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start_with_a_wrong_slug(scene: Scene) -> Json:
        scene.trader.slug = "not a slug"
        return await exchange.start(scene)

    assert (
        demo.run(once=True, as_json=True, language="en", steps=(Step("start", start_with_a_wrong_slug),)) == 1
    )
    [step] = json.loads(capsys.readouterr().out)["steps"]
    assert "Demo Trader did not start" in step["problem"]
    assert "must not hold spaces" in step["problem"]
    assert connectors() == []


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_timeline_is_readable_in_both_languages(
    language: Any, temporary_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def find(scene: Scene) -> Json:
        return {"title": "NMC811", "asset_id": "[bold]a", "offers_count": 1, "formats": ["x"]}

    async def fail(scene: Scene) -> Json:
        expect(False, "Nothing [/came].")
        return {}

    steps = (Step("discover", find), Step("fetch", fail), Step("verify", fail))
    assert demo.run(once=True, as_json=False, language=language, steps=steps) == 1
    printed = capsys.readouterr().out
    heading, unreached = {
        "en": ("two companies, one contract", "not reached"),
        "ja": ("二つの会社、一つの契約", "未実行"),
    }[language]
    assert heading in printed
    assert "[bold]a" in printed
    assert "Nothing [/came]." in printed
    assert unreached in printed


def test_the_wheel_brings_the_data_of_the_demonstration(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path), versions=["standard"])
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "/demo_data/" in name}
    assert {Path(name).name for name in names} == {
        "battery_chain.toml",
        "nmc811_cathode_footprint.json",
        "texts.toml",
    }
    read = (
        "from ashiato.wiring.walkthrough import record, texts\n"
        "record.read_record(record.published_record())\n"
        "print(texts.Texts('en').title('start'))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", read],
        env={**os.environ, "PYTHONPATH": wheel},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "three companies start" in run.stdout


def test_each_step_is_described() -> None:
    document = (REPOSITORY / "docs" / "demo.md").read_text("utf-8")
    assert [step.name for step in demo.STEPS if f"`{step.name}`" not in document] == []
