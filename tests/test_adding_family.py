"""A family this project has not: a head class derived from one of Ultralytics', registered for the tail that decodes it
by the steps of docs/adding.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from ultralytics.nn.modules.head import Pose

from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.heads import registry
from rknn_zoo_e2e.heads.pose import PoseTail
from rknn_zoo_e2e.heads.reference import TOLERANCE, check_decode
from rknn_zoo_e2e.zoo import resolve


class HandPose(Pose):
    """A pose head of another family: computes what Ultralytics' does."""


@pytest.fixture
def hands() -> torch.nn.Module:
    """The starter pose model, as if it were of that family."""
    model, _ = load_source(resolve("shapes-pose"))
    model.model[-1].__class__ = HandPose
    return model


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """After each test nothing is left of what it registered."""
    before = dict(registry.TAILS)
    yield
    registry.TAILS.clear()
    registry.TAILS.update(before)


def test_a_head_nobody_registered_is_refused(hands):
    with pytest.raises(UserError, match="is a pose model with a HandPose head, which cannot be converted"):
        spec_of(hands, "hands")


def test_a_registered_head_is_decoded_as_ultralytics_does(hands):
    registry.register(HandPose, PoseTail)
    spec = spec_of(hands, "hands")
    assert (spec.task, spec.kpt_shape) == ("pose", (7, 3))
    assert check_decode(hands, spec) < TOLERANCE


def test_a_head_has_one_tail():
    with pytest.raises(ValueError, match="Pose heads are decoded by PoseTail"):
        registry.register(Pose, PoseTail)
