"""What a board measures, recorded for others: the clocks it ran at, the file it is sent in, and nothing personal."""

from __future__ import annotations

import getpass
import json
import os
import random
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.board import SPEC, make_bundle, on_board
from support.cli import run
from support.machine import HIGHEST, NPUS, PRIVATE, machine, write
from support.measurement import measured

from rknn_zoo_e2e.boards.clocks import Watch
from rknn_zoo_e2e.boards.machine import board_facts, versions
from rknn_zoo_e2e.bundle.measurement import clock_text, conditions
from rknn_zoo_e2e.bundle.measurement_file import FILE, LARGEST, entry_of, read_measurement, subject, write_measurement
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.schema import check_manifest
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.cli.ui.tables import measurements
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import write_file
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.publishing.measurements import read_measurements, with_measurements

ROOT = Path(__file__).parents[1]
OWNER = {"HOME": "/home/alice", "USER": "alice", "LOGNAME": "alice", "HOSTNAME": "alices-kitchen"}


def set_to(root: Path, path: str, content: object) -> None:
    write(root, path, f"{content}\n")


# What a board's kernel tells


@pytest.mark.parametrize("soc", NPUS)
def test_the_clocks_and_temperatures_of_a_board(tmp_path: Path, soc: str):
    watch = Watch(machine(tmp_path, soc))
    watch.look()
    set_to(tmp_path, f"sys/class/devfreq/{NPUS[soc]}.npu/cur_freq", 300_000_000)
    set_to(tmp_path, "sys/class/thermal/thermal_zone1/temp", 71_900)
    watch.look()
    told = watch.report()
    npu, ddr, *clusters = told["clocks"]
    assert npu == {
        "part": "npu", "governor": "rknpu_ondemand", "max_mhz": HIGHEST[soc], "lowest_mhz": 300,
        "highest_mhz": HIGHEST[soc],
    }  # fmt: skip
    assert ddr == {
        "part": "ddr", "governor": "dmc_ondemand", "max_mhz": 2112, "lowest_mhz": 1560, "highest_mhz": 1560
    }  # fmt: skip
    assert [clock["part"] for clock in clusters] == ["cpu0", "cpu4", "cpu6"][: len(clusters)]
    assert clusters[0]["max_mhz"] == 2 * clusters[0]["lowest_mhz"] and clusters[0]["governor"] == "ondemand"
    assert told["temperatures"][0] == {"zone": "soc-thermal", "start": 41.2, "end": 41.2}
    assert told["temperatures"][1]["end"] == 71.9
    assert conditions(told)[:2] == [
        f"NPU clock: 300 to {HIGHEST[soc]} of {HIGHEST[soc]} MHz, rknpu_ondemand.",
        "Memory clock: 1560 of 2112 MHz, dmc_ondemand.",
    ]


FORBIDDEN = "a folder"  # as little to be read as a file of root's


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "1000 of 1000 MHz, rknpu_ondemand"),
        ({"available_frequencies": FORBIDDEN}, "1000 of 1000 MHz, rknpu_ondemand"),  # max_freq says it too
        ({"available_frequencies": "", "max_freq": 0}, "1000 MHz, rknpu_ondemand"),
        ({"governor": FORBIDDEN}, "1000 of 1000 MHz"),
        ({"governor": "my own <b>governor</b>"}, "1000 of 1000 MHz"),
        ({"cur_freq": FORBIDDEN}, "at most 1000 MHz, rknpu_ondemand"),
        ({"cur_freq": "unknown"}, "at most 1000 MHz, rknpu_ondemand"),
        ({"cur_freq": FORBIDDEN, "max_freq": FORBIDDEN, "available_frequencies": FORBIDDEN}, "rknpu_ondemand"),
        (
            dict.fromkeys(("cur_freq", "max_freq", "available_frequencies", "governor"), FORBIDDEN),
            "unknown",
        ),
    ],
)
def test_what_is_not_told_is_not_known(tmp_path: Path, changes, text):
    folder = machine(tmp_path) / "sys/class/devfreq/fdab0000.npu"
    for name, content in changes.items():
        (folder / name).unlink()
        if content is FORBIDDEN:
            (folder / name).mkdir()
        else:
            (folder / name).write_text(str(content))
    watch = Watch(tmp_path)
    watch.look()
    assert clock_text(watch.report()["clocks"][0]) == text


def test_a_board_without_any_of_it_has_no_clocks(tmp_path: Path):
    watch = Watch(tmp_path)
    watch.look()
    assert watch.report() == {"clocks": [], "temperatures": []} and conditions(watch.report()) == []


def test_the_page_sets_every_clock_that_bench_shows(tmp_path: Path):
    """Its shell, as it stands there, on the files of a board."""
    [script] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "boards.md").read_text("utf-8"), re.DOTALL)
    root = machine(tmp_path / "root")
    (tmp_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", script.replace("/sys/", f"{root}/sys/")], env=environment, check=True)
    assert [clock["governor"] for clock in Watch(root).report()["clocks"]] == ["performance"] * 5
    shutil.rmtree(root / "sys" / "class" / "devfreq" / "dmc")  # some kernels have none
    subprocess.run(["sh", "-ec", script.replace("/sys/", f"{root}/sys/")], env=environment, check=True)


def test_a_sensor_that_stops_answering_is_left_out(tmp_path: Path):
    watch = Watch(machine(tmp_path))
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").unlink()
    set_to(tmp_path, "sys/class/thermal/thermal_zone9/type", "alice's fridge")
    set_to(tmp_path, "sys/class/thermal/thermal_zone9/temp", 4000)
    for number, temperature in enumerate((-274_000, 2**31 - 1)):
        set_to(tmp_path, f"sys/class/thermal/thermal_zone{7 + number}/type", f"off{number}-thermal")
        set_to(tmp_path, f"sys/class/thermal/thermal_zone{7 + number}/temp", temperature)
    zones = [zone["zone"] for zone in Watch(tmp_path).report()["temperatures"]]
    assert zones == ["bigcore0-thermal", "gpu-thermal", "npu-thermal"]
    assert [zone["zone"] for zone in watch.report()["temperatures"]] == zones


def test_versions_are_those_of_what_runs(tmp_path: Path):
    root = machine(tmp_path)
    told = versions(root)
    assert (told["librknnrt"], told["driver"], told["kernel"]) == ("2.3.2", "0.9.8", "6.1.43")
    write(root, "opt/mine/librknnrt.so", "librknnrt version: 2.2.0 (x)")
    write(root, "proc/self/maps", "7f8a0000-7f8b0000 r-xp 00000000 b3:02 99    /opt/mine/librknnrt.so\n")
    assert versions(root)["librknnrt"] == "2.2.0"
    for path in ("proc/self/maps", "sys/module/rknpu/version", "proc/sys/kernel/osrelease"):
        (root / path).unlink()
    told = versions(root)
    assert [told[name] for name in ("librknnrt", "driver", "kernel")] == [None, None, None]


@pytest.mark.parametrize(
    ("compatible", "facts"),
    [
        ("xunlong,orangepi-5\0rockchip,rk3588s\0", {"soc": "rk3588", "name": "xunlong,orangepi-5", "cores": 3}),
        ("alice's board\0rockchip,rk3566\0", {"soc": "rk3566", "name": "rockchip,rk3566", "cores": 1}),
        ("acme,computer\0", None),
    ],
)
def test_a_board_is_called_what_its_maker_calls_it(tmp_path: Path, compatible, facts):
    write(tmp_path, "proc/device-tree/compatible", compatible)
    assert board_facts(tmp_path) == facts


# bench --save


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a bundle for two SoCs, what a pretended NPU answers, and the files of its kernel."""
    folder = tmp_path_factory.mktemp("alice") / "home" / "alice"
    folder.mkdir(parents=True)
    make_bundle(folder, SPEC, "rk3566", "rk3588")
    np.savez(folder / "t.npz", **{"any-0": np.zeros((1, 6, 126), np.float32)})
    machine(folder / "root")
    packages = folder / "packages" / "rknn_toolkit_lite2-2.3.2.dist-info"
    packages.mkdir(parents=True)
    (packages / "METADATA").write_text("Metadata-Version: 2.1\nName: rknn-toolkit-lite2\nVersion: 2.3.2\n")
    return folder


def bench(place: Path, *args: object, soc: str = "rk3588"):
    """``e2erknn bench`` on a board of Alice's."""
    paths = os.pathsep.join(filter(None, (str(place / "packages"), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as alice:
        for name, value in {**OWNER, "PYTHONPATH": paths}.items():
            alice.setenv(name, value)
        words = ("bench", place / "tiny_rknn_model", "--runs", 3, "--warmup", 1, *args)
        return on_board(*words, cwd=place, soc=soc, TENSORS=place / "t.npz", ROOT=place / "root", DELAY=2)


@pytest.fixture(scope="module")
def saved(place: Path) -> Path:
    """What Alice's board wrote."""
    out = bench(place, "--save", "board.json", "--json")
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["saved"] == "board.json" and document["clocks"][0]["part"] == "npu"
    return place / "board.json"


@pytest.mark.slow
def test_a_board_saves_what_it_measured(place: Path, saved: Path):
    told, bundle = read_measurement(saved), read_bundle(place / "tiny_rknn_model")
    assert {key: told[key] for key in ("model", "artifact")} == subject(bundle, bundle.artifacts[1])
    assert told["artifact"]["soc"] == "rk3588" and told["model"]["weights_sha256"] == "a" * 64
    assert told["board"] == {"soc": "rk3588", "name": "xunlong,orangepi-5", "cores": 3}
    software = told["software"]
    assert software["backend"] == "board" and software["runtime"] == "rknn-toolkit-lite2 2.3.2"
    assert (software["librknnrt"], software["driver"], software["kernel"]) == ("2.3.2", "0.9.8", "6.1.43")
    assert set(told["stages"]) == {"read", "letterbox", "infer", "post", "draw"} and len(told["cores"]) == 3
    assert all(2 <= core["p50"] <= core["p90"] <= core["p99"] for core in [told["stages"]["infer"], *told["cores"]])
    run = {key: told["run"][key] for key in ("pictures", "runs", "warmup", "contexts", "conf")}
    assert run == {"pictures": 1, "runs": 3, "warmup": 1, "contexts": 3, "conf": 0.25}
    assert told["clocks"][0]["lowest_mhz"] == 1000 and told["temperatures"][3]["zone"] == "npu-thermal"


@pytest.mark.slow
def test_what_is_saved_has_nothing_personal(place: Path, saved: Path):
    text = saved.read_text()
    private = [value.strip(" \n\0").rpartition(": ")[2] for value in PRIVATE.values()]
    for word in ["alice", "kitchen", str(place), "tiny_rknn_model", "board.json", "/", *private]:
        assert word not in text, word
    for name in {socket.gethostname(), getpass.getuser(), str(Path.home())}:
        assert f'"{name}"' not in text and f"{name}@" not in text, name


@pytest.mark.slow
def test_the_newer_file_takes_the_place_of_the_older(place: Path):
    (place / "twice.json").write_text("old")
    out = bench(place, "--save", place / "twice.json", "--cores", "1", "--precision", "INT8", "--backend", "Board")
    assert out.returncode == 0 and f"Saved in {place / 'twice.json'}." in out.stdout
    assert "NPU clock: 1000 of 1000 MHz, rknpu_ondemand." in out.stdout
    assert read_measurement(place / "twice.json")["run"]["contexts"] == 1
    assert not [path.name for path in place.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_board_whose_kernel_tells_nothing_measures_all_the_same(place: Path):
    kernel, hidden = place / "root", place / "hidden"
    kernel.rename(hidden)
    try:
        write(kernel, "proc/device-tree/compatible", "rockchip,rk3588\0")
        out = bench(place, "--save", "plain.json")
    finally:
        shutil.rmtree(kernel)
        hidden.rename(kernel)
    told = read_measurement(place / "plain.json")
    assert out.returncode == 0 and (told["clocks"], told["temperatures"]) == ([], [])
    assert told["board"]["name"] == "rockchip,rk3588"
    assert told["software"] | {"librknnrt": None, "driver": None, "kernel": None} == told["software"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnx", "simulator", "torch", "auto"])
def test_what_is_no_board_saves_nothing(place: Path, tmp_path: Path, backend: str):
    out = run("bench", place / "tiny_rknn_model", "--save", "x.json", "--backend", backend, cwd=tmp_path)
    problem, fix = out.stderr.strip().splitlines()[-2:]
    assert out.returncode == 1 and "is no board, so there is nothing to save" in problem and "without --save" in fix
    assert not [*tmp_path.iterdir()]


@pytest.mark.slow
@pytest.mark.parametrize("target", [".", "nowhere/x.json"])
def test_a_place_that_takes_no_file_is_refused_before_anything_is_measured(place: Path, target: str):
    out = bench(place, "--save", target)
    assert out.returncode == 1 and "There can be no file" in out.stderr and "stages" not in out.stderr


@pytest.mark.slow
def test_a_checkpoint_has_nothing_to_keep_figures_in(place: Path, tmp_path: Path):
    environment = {"TENSORS": place / "t.npz", "ROOT": place / "root"}
    out = on_board("bench", "shapes", "--save", "x.json", cwd=tmp_path, soc="rk3588", **environment)
    assert out.returncode == 1 and "shapes is a checkpoint" in out.stderr
    assert "e2erknn convert shapes --soc rk3588" in out.stderr


# The file, which strangers send


def changed(*place: object, to: object) -> dict:
    document = json.loads(json.dumps(measured()))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return document


def text_of(document: dict) -> bytes:
    return json.dumps(document).encode()


ESCAPE = "\x1b]0;owned\x07"
HOSTILE = {
    "nothing": (b"", "Expecting value"),
    "no JSON": (b"{", "Expecting property name"),
    "a list": (b"[]", "is a list"),
    "a picture": (b"\xff\xd8\xff\xe0", "utf-8"),
    "another document": (b'{"findings": []}', "format_version is missing"),
    "a very deep list": (b"[" * 50_000, "recursion"),
    "a number of 20,000 digits": (text_of(measured()).replace(b"0.9}", b"9" * 20_000 + b"}"), "digits|between"),
    "a number of 400 digits": (text_of(changed("cpu_ms", to=10**400)), "cpu_ms is 1000"),
    "not a number": (text_of(changed("cpu_ms", to=float("nan"))), "cpu_ms is nan"),
    "endless times": (text_of(changed("stages", "infer", "p99", to=float("inf"))), "stages.infer.p99 is inf"),
    "times below zero": (text_of(changed("stages", "infer", "p50", to=-1)), "stages.infer.p50 is -1"),
    "times that do not rise": (text_of(changed("stages", "infer", "p50", to=20)), "stages.infer do not rise"),
    "a stage too many": (text_of(changed("stages", "sleep", to={})), "unknown key 'sleep'"),
    "a word more": (text_of(changed("advertisement", to="buy")), "unknown key 'advertisement'"),
    "a governor that is HTML": (text_of(changed("clocks", 0, "governor", to="<script>")), "governor is '<script>'"),
    "a board that is Markdown": (text_of(changed("board", "name", to="[a](http://b)")), "board.name is"),
    "a board that is a path": (text_of(changed("board", "name", to="home/alice,x")), "board.name is"),
    "an escape sequence": (text_of(changed("software", "runtime", to=ESCAPE)), r"runtime is '\\x1b"),
    "half a character": (text_of(changed("temperatures", 0, "zone", to="\ud800")), r"zone is '\\ud800"),
    "a date that is none": (text_of(changed("date", to="yesterday")), "date is 'yesterday'"),
    "a checksum that is none": (text_of(changed("artifact", "sha256", to="*")), "sha256 is '\\*'"),
    "a million clocks": (text_of(changed("clocks", to=measured()["clocks"] * 33)), "clocks is a list of 33"),
    "a truth for a number": (text_of(changed("run", "runs", to=True)), "run.runs is True"),
    "a version to come that is no number": (text_of(changed("format_version", to="2")), "format_version is '2'"),
    "more than a file has": (text_of(measured()) + b" " * LARGEST, "more than 65,536 bytes"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_no_measurement_is_refused(tmp_path: Path, kind: str):
    content, said = HOSTILE[kind]
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.json is not what bench --save writes \((?s:.*)({said})") as error:
        read_measurement(tmp_path / "x.json")
    assert str(error.value).isprintable() and len(str(error.value)) < 500


WEIRD = (
    None, True, -1, 10**30, 10**400, float("nan"), "", "../x", ESCAPE, "<script>", "| a", "a" * 5000, [], {}, [[]],
    {"a": 1},
)  # fmt: skip


def places(value: object, place: tuple = ()) -> Iterator[tuple]:
    """Where something stands in a document."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*place, key)
        yield from places(value[key], (*place, key))


def test_a_changed_file_never_surprises(tmp_path: Path):
    """Whatever stands anywhere in it, it is refused in print, or a bundle and its card can be made with it."""
    bundle = read_bundle(make_bundle(tmp_path, SPEC, "rk3588"))
    choose, read, file = random.Random(0), 0, tmp_path / "x.json"
    whole = text_of(measured() | subject(bundle, bundle.artifacts[0]))
    for number in range(600):
        if number % 2:
            document = json.loads(whole)
            *above, last = choose.choice([*places(document)])
            inner = document
            for key in above:
                inner = inner[key]
            inner[last] = choose.choice(WEIRD)
            file.write_bytes(text_of(document))
        else:
            content = bytearray(whole)
            content[choose.randrange(len(content))] = choose.choice(b'0123456789.-"ax<')
            file.write_bytes(content)
        try:
            found = read_measurements([file], [bundle])
        except UserError as error:
            assert str(error).isprintable() and len(str(error)) < 1000
            continue
        read += 1
        one = replace(bundle, artifacts=[with_measurements(bundle.artifacts[0], found)])
        check_manifest(one.metadata())
        assert all(line.isprintable() for line in measurements(one.artifacts))
        table = make_card("me/x", [one], None).partition("## Measured speed")[2]
        assert not set("<>[]`$") & set(table.splitlines()[4].replace("`", ""))
    assert 20 < read < 300


def test_a_pipe_a_folder_and_nothing_are_no_files(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "none.json"):
        with pytest.raises(UserError, match="There is no file"):
            read_measurement(tmp_path / name)


def test_a_file_of_a_newer_version_says_so(tmp_path: Path):
    (tmp_path / "x.json").write_bytes(text_of({"format_version": 2}))
    with pytest.raises(UserError, match=r"of a newer e2erknn \(format 2, this one reads 1\)"):
        read_measurement(tmp_path / "x.json")


def test_a_file_is_read_back_as_it_was_written_and_kept_in_the_bundle(tmp_path: Path):
    bundle = read_bundle(make_bundle(tmp_path, SPEC, "rk3588"))
    [artifact], document = bundle.artifacts, measured()
    write_measurement(tmp_path / "x.json", bundle, artifact, entry_of(document))
    told = read_measurement(tmp_path / "x.json")
    assert entry_of(told) == entry_of(document)
    artifact.measured = [entry_of(told)]
    check_manifest(bundle.metadata())
    write_bundle(bundle, {})
    assert read_bundle(bundle.path).artifacts[0].measured == [entry_of(document)]


def test_what_could_not_be_read_is_not_written(tmp_path: Path):
    bundle = read_bundle(make_bundle(tmp_path, SPEC, "rk3588"))
    with pytest.raises(ValueError, match="cpu_ms is nan"):
        write_measurement(tmp_path / "x.json", bundle, bundle.artifacts[0], entry_of(measured(cpu_ms=float("nan"))))
    assert not (tmp_path / "x.json").exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    target = tmp_path / "board.json"
    write_file(target, b"first")
    with monkeypatch.context() as full:
        full.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(UserError, match=r"No space left to write .*give another file with --save"):
            write_file(target, b"second", "another file with --save")
    assert target.read_bytes() == b"first" and [path.name for path in tmp_path.iterdir()] == ["board.json"]


def test_a_whole_file_is_taken():
    FILE(measured(), "")
