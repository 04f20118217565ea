"""Checkpoints are loaded without running what is in them."""

from __future__ import annotations

import pickletools
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from support import hostile
from torch import nn
from ultralytics.nn.tasks import DetectionModel

from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.checkpoint.load import load_model
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.zoo import Source

SHAPES = hostile.SHAPES


@pytest.mark.parametrize("kind", hostile.calls(Path()).keys())
def test_code_in_a_checkpoint_is_named_and_never_runs(tmp_path: Path, kind):
    touched = tmp_path / "touched"
    torch.save({"model": hostile.calls(touched)[kind]}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt tries to run code when it is loaded .*--trust-checkpoint"):
        load_model(tmp_path / "evil.pt")
    assert not touched.exists()


@pytest.mark.parametrize("kind", hostile.opcodes("").keys())
def test_no_opcode_runs_code(tmp_path: Path, kind):
    touched = tmp_path / "touched"
    path = hostile.archive(tmp_path / "evil.pt", hostile.opcodes(f"touch {touched}")[kind])
    with pytest.raises(UserError, match="tries to run code when it is loaded"):
        load_model(path)
    assert not touched.exists()


def test_torchs_own_restricted_loader_runs_code(tmp_path: Path):
    """Why there is a loader of our own: with a model's class allowed, ``weights_only`` evaluates what the file says."""
    touched = tmp_path / "touched"
    path = hostile.archive(tmp_path / "evil.pt", hostile.opcodes(f"touch {touched}")["a constructor"])
    with pytest.raises(UserError, match=r"tries to run code when it is loaded \(a call of DetectionModel\)"):
        load_model(path)
    assert not touched.exists()
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.add_safe_globals([DetectionModel])
    try:
        torch.load(path, weights_only=True)
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)
    assert touched.exists()


def test_no_container_hides_code(tmp_path: Path):
    touched, said = tmp_path / "touched", {}
    for name, path in hostile.containers(tmp_path, touched).items():
        with pytest.raises(UserError) as error:
            load_model(path)
        said[name] = error.value.what
    assert not touched.exists()
    for name in ("legacy", "plain", "protocol0", "protocol5"):
        assert "tries to run code when it is loaded" in said[name], said
    assert "TorchScript archive" in said["script"] and "not one pickle" in said["second"], said
    assert "is a tar archive" in said["tar"], said


def put(layer: nn.Module, **attributes: object) -> None:
    """Attributes past ``nn.Module.__setattr__``."""
    layer.__dict__.update(attributes)


def share_parts(model: nn.Module) -> None:
    """Two layers a level, each holding both of the next: walked for ever."""
    pair = nn.Sequential(nn.Identity())
    for _ in range(60):
        pair = nn.Sequential(nn.Sequential(pair), nn.Sequential(pair))
    model.add_module("more", pair)


SPOILED = {
    "a class as an activation": (lambda m: put(m.model[0], function=nn.Conv2d), "Conv2d kept as a value"),
    "a function as an activation": (lambda m: put(m.model[0], function=torch.nn.functional.silu), r"silu"),
    "another's method": (lambda m: put(m.model[0], forward=m.model[1].forward), "a method given to a layer"),
    "a layer as a method": (lambda m: put(m, fuse=nn.Conv2d(1, 1, 1)), "a layer's own fuse"),
    "a hook": (lambda m: m.model[0]._forward_hooks.update({1: nn.Identity()}), "_forward_hooks"),
    "a text among layers": (lambda m: m.model[0]._modules.update(act="nn.SiLU()"), "something else among"),
    "layers with two parents": (share_parts, "one layer is a part of two"),
    "somebody's object": (lambda m: put(m, notes=hostile.Calls(int)), "int"),
    "slow keys": (lambda m: put(m, notes={("a", ("b",)): 1}), "a tuple is a key"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_nothing_is_left_to_be_called_or_walked_later(tmp_path: Path, kind):
    checkpoint = torch.load(SHAPES, weights_only=False)
    spoil, said = SPOILED[kind]
    spoil(checkpoint["model"])
    torch.save(checkpoint, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=said):
        load_model(tmp_path / "evil.pt")


def test_names_in_a_file_do_not_reach_the_terminal_as_they_are(tmp_path: Path):
    path = hostile.archive(tmp_path / "x.pt", b"cos\nsystem\x1b]0;owned\x07" + b"x" * 5000 + b"\n(tR.")
    with pytest.raises(UserError, match="tries to run code") as error:
        load_model(path)
    assert error.value.what.isprintable() and len(error.value.what) < 400


def rewritten(path: Path, change, compress: int = zipfile.ZIP_STORED) -> Path:
    """The starter model with other members: ``change`` takes and gives a dict of them."""
    with zipfile.ZipFile(SHAPES) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", compress) as file:
        for name, content in change(members).items():
            file.writestr(name, content)
    return path


def test_sizes_in_a_file_are_not_believed(tmp_path: Path):
    cut = {"archive/data/0": b"\0\0"}
    with pytest.raises(UserError, match="claims more data than there is"):
        load_model(rewritten(tmp_path / "short.pt", lambda members: members | cut))
    with pytest.raises(UserError, match="unpacks to more than its own size"):
        more = {"archive/data/bomb": bytes(50_000_000)}
        load_model(rewritten(tmp_path / "bomb.pt", lambda members: members | more, zipfile.ZIP_DEFLATED))
    with pytest.raises(UserError, match="structure has more than 16 MB"):
        load_model(hostile.archive(tmp_path / "big.pt", bytes(17 << 20)))
    huge = {"model": torch.zeros(1).expand(10**12)}
    torch.save(huge, tmp_path / "huge.pt")
    with pytest.raises(UserError, match="larger than its data"):
        load_model(tmp_path / "huge.pt")
    many = {"model": [torch.zeros(1000)] * 1}
    many["model"] += [many["model"][0].view(1000) for _ in range(1000)]
    torch.save(many, tmp_path / "many.pt")
    with pytest.raises(UserError, match="larger than its data"):
        load_model(tmp_path / "many.pt")


class Own(nn.Module):
    """A layer Ultralytics does not have."""

    def forward(self, x):
        return x


def test_another_class_is_named_and_loads_where_it_is_trusted(tmp_path: Path):
    checkpoint = torch.load(SHAPES, weights_only=False)
    checkpoint["model"].model[0].add_module("own", Own())
    torch.save(checkpoint, tmp_path / "own.pt")
    with pytest.raises(UserError, match=r"needs classes other than YOLO's own \(test_checkpoint\.Own\)"):
        load_model(tmp_path / "own.pt")
    assert isinstance(load_model(tmp_path / "own.pt", trusted=True).model[0].own, Own)


def test_what_training_leaves_behind_is_no_hindrance(tmp_path: Path):
    from ultralytics.utils import IterableSimpleNamespace
    from ultralytics.utils.loss import v8DetectionLoss

    checkpoint = torch.load(SHAPES, weights_only=False)
    model = checkpoint["model"].float()
    model.args = IterableSimpleNamespace(box=7.5, cls=0.5, dfl=1.5, tal_topk=10)
    model.criterion = v8DetectionLoss(model)
    metrics = {"map": np.float64(0.5), "curve": np.arange(3), "date": None, "seen": {1, 2}}
    more = {"train_metrics": metrics, "path": tmp_path, "device": torch.device("cpu"), "best_fitness": np.float32(1)}
    torch.save(checkpoint | more, tmp_path / "trained.pt")
    assert spec_of(load_model(tmp_path / "trained.pt"), "trained").task == "detect"


def test_a_fused_model_loads(tmp_path: Path):
    checkpoint = torch.load(SHAPES, weights_only=False)
    x = torch.rand(1, 3, 64, 64)
    expected = load_model(SHAPES)(x)[0]
    checkpoint["model"] = checkpoint["model"].float().fuse(verbose=False)
    torch.save(checkpoint, tmp_path / "fused.pt")
    assert torch.allclose(load_model(tmp_path / "fused.pt")(x)[0], expected, atol=1e-3)


def test_a_classifier_is_refused(tmp_path: Path):
    from ultralytics import YOLO

    YOLO("yolov8n-cls.yaml").save(tmp_path / "cls.pt")
    with pytest.raises(UserError, match="classify model"):
        spec_of(load_model(tmp_path / "cls.pt"), "cls")


def test_a_diverged_training_is_named(tmp_path: Path, models: Path):
    model = load_model(models / "weights/shapes.pt")
    next(model.parameters()).data.view(-1)[0] = torch.nan
    torch.save({"model": model}, tmp_path / "diverged.pt")
    with pytest.raises(UserError, match=r"weights that are no finite numbers \(1 tensors, first model\.0"):
        load_source(Source(tmp_path / "diverged.pt", "diverged"))


def test_starter_models_load(models: Path):
    for name, task in (("shapes", "detect"), ("shapes-pose", "pose"), ("shapes-seg", "segment"), ("shapes-obb", "obb")):
        spec = spec_of(load_model(models / f"weights/{name}.pt"), name)
        assert (spec.task, spec.imgsz) == (task, (320, 320))


CONTRADICTIONS = {
    "layers that do not fit": lambda model: model.model[1].conv.__dict__.update(groups=3),
    "a layer from nowhere": lambda model: put(model.model[12], f=[-1, 99]),
    "more classes than names": lambda model: put(model.model[-1], nc=9),
    "names within names": lambda model: model.names.update({0: [["a"] * 3]}),
    "an escape sequence in a name": lambda model: model.names.update({0: "\x1b]0;owned\x07"}),
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_what_loads_and_cannot_run_is_named(tmp_path: Path, kind):
    checkpoint = torch.load(SHAPES, weights_only=False)
    CONTRADICTIONS[kind](checkpoint["model"])
    torch.save(checkpoint, tmp_path / "odd.pt")
    with pytest.raises(
        UserError, match=r"does not run: its layers do not fit|cannot be converted: the name of class 0"
    ) as error:
        load_source(Source(tmp_path / "odd.pt", "odd"))
    assert "\x1b" not in str(error.value)


@pytest.mark.slow
def test_changed_bytes_never_surprise(tmp_path: Path):
    """Whatever happens to a checkpoint's structure, it loads or is refused; the numbers in it too."""
    with zipfile.ZipFile(SHAPES) as file:
        pickled = file.read("archive/data.pkl")
    numbers = [at for op, _, at in pickletools.genops(pickled) if op.name == "BININT1"]
    moments = random.Random(0)
    for attempt in range(60):
        changed = bytearray(pickled)
        for _ in range(moments.choice([1, 2, 5])):
            at = moments.choice(numbers) + 1 if attempt % 2 else moments.randrange(len(changed))
            changed[at] = moments.randrange(256)
        content = {"archive/data.pkl": bytes(changed)}
        path = rewritten(tmp_path / "x.pt", lambda members, content=content: members | content)
        try:
            _, spec = load_source(Source(path, "x"))
            assert spec.task == "detect" and spec.names, "what loads is a model"
        except UserError as error:
            assert error.what.startswith(f"{path} ") and error.fix
