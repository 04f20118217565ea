"""Running a loaded model over pictures and videos: what ``demo`` draws, saves, shows and reports."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from rknn_zoo_e2e.cli.output import note
from rknn_zoo_e2e.cli.progress import StageProgress
from rknn_zoo_e2e.cli.sources import Source
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.predictor import Predictor
from rknn_zoo_e2e.result import Result
from rknn_zoo_e2e.staging import write_error
from rknn_zoo_e2e.vision.image import read_image, save_image
from rknn_zoo_e2e.vision.video import VideoReader
from rknn_zoo_e2e.vision.videowriter import VideoWriter
from rknn_zoo_e2e.vision.window import Window


@dataclass
class Annotator:
    """Runs a model on sources, in order, and gathers what came of it.

    Attributes:
        out: folder for drawn pictures and videos; None to save nothing.
        window: where to show them, if anywhere.
        keep_frames: a video's detections go into ``images``, one entry a frame.
        images: the JSON document's entries.
        lines: what people read.
        failed: what went wrong with single sources.
        stopped: the user closed the window.
    """

    predictor: Predictor
    progress: StageProgress
    out: Path | None
    window: Window | None = None
    keep_frames: bool = False
    images: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failed: list[UserError] = field(default_factory=list)
    stopped: bool = False
    _taken: set[Path] = field(default_factory=set)
    _alone: bool = False

    def run(self, sources: Sequence[Source]) -> None:
        """All of them, until the user closes the window. With several, what cannot be used is skipped.

        Raises:
            KeyboardInterrupt: by the user, once what was begun was put in order.
        """
        self._alone = len(sources) == 1
        if self.out:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise write_error(self.out, error) from error
        for video, group in groupby(sources, key=lambda source: source.video):
            members = list(group)
            if not video:
                self.pictures(members)
            for source in members if video else ():
                if not self.stopped:
                    self.video(source)
            if self.stopped:
                return

    def pictures(self, sources: Sequence[Source]) -> None:
        """Still pictures, several at once; one that cannot be used is reported and skipped."""
        done = self.predictor.pool.in_order(self._picture, [(s, self._target(s.name, ".jpg")) for s in sources])
        for index, (source, found) in enumerate(zip(sources, done, strict=True)):
            self.progress.stage("pictures", self.predictor.backend, index / len(sources))
            if isinstance(found, UserError):
                self._fail(found)
                continue
            entry, drawn = found
            self.images.append(entry)
            kept = f" -> {entry['drawn']}" if self.out else ""
            what = counted(Counter(d["label"] for d in entry["detections"]))
            self.lines.append(f"{source.place}: {what} ({sum(entry['ms'].values()):.0f} ms){kept}")
            if self.window and not (self.window.show(drawn) and self.window.wait()):
                self.stopped = True
                return
        self.progress.done("pictures")

    def _picture(self, job: tuple[Source, Path | None]) -> tuple[dict[str, Any], np.ndarray] | UserError:
        (source, target), drawn = job, np.empty(0)
        try:
            image = read_image(Path(source.place))  # type: ignore[arg-type]
            result = self.predictor(image)
            entry = entry_of(str(source.place), result)
            if target or self.window:
                drawn = result.draw(image)
            if target:
                save_image(target, drawn)
                entry["drawn"] = str(target)
            return entry, drawn if self.window else np.empty(0)
        except UserError as error:
            return error

    def video(self, source: Source) -> None:
        """One video, camera or stream. What was written plays, however it ended."""
        target, count, seen, frames = self._target(source.name, ".mp4"), Counter[str](), 0, Frames()
        name = source.name
        try:
            with ExitStack() as stack:
                reader = stack.enter_context(VideoReader(source.place))
                name, total = reader.name, reader.frames if not reader.live else None
                writer = stack.enter_context(VideoWriter(target, reader.fps)) if target else None
                for result, drawn in frames.of(self.predictor, reader, draw=bool(target or self.window)):
                    if writer:
                        # A live source gives as many frames as the model can take: repeated, they keep the time.
                        due = round(frames.seconds * reader.fps) if reader.live else 0
                        for _ in range(max(1, due - writer.frames)):
                            writer.write(drawn)
                    if self.keep_frames:
                        self.images.append({**entry_of(name, result), "drawn": str(target or ""), "frame": seen})
                    count.update(result.label(i) for i in range(len(result)))
                    seen += 1
                    share = min(seen / total, 1) if total else 0.0
                    self.progress.stage(name, self.predictor.backend, share, f"{frames.fps:.1f} FPS")
                    if self.window and not self.window.show(drawn):
                        self.stopped = True
                        break
        except UserError as error:
            self._fail(error)
        finally:
            if seen:
                kept = f" -> {target}" if target else ""
                rate = f", {(seen - 1) / frames.seconds:.1f} FPS" if seen > 1 else ""
                self.lines.append(f"{name}: {seen} frames{rate}, {counted(count)}{kept}")
                self.progress.done(name)

    def _fail(self, error: UserError) -> None:
        self.failed.append(error)
        if not self._alone:
            note(f"Skipped: {error}")

    def _target(self, name: str, suffix: str) -> Path | None:
        """A file of its own for each source, also where several have one name; None where nothing is saved."""
        if self.out is None:
            return None
        target, number = self.out / f"{name}{suffix}", 1
        while target in self._taken:
            number += 1
            target = self.out / f"{name}-{number}{suffix}"
        self._taken.add(target)
        return target


class Frames:
    """A video's results in order, and how fast they come."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=30)
        self._first = 0.0

    def of(self, predictor: Predictor, reader: VideoReader, draw: bool) -> Iterator[tuple[Result, np.ndarray]]:
        """Each frame's detections and the frame with them drawn (``draw``) or as it is."""

        def work(frame: np.ndarray) -> tuple[Result, np.ndarray]:
            result = predictor(frame)
            return result, result.draw(frame) if draw else frame

        for item in predictor.pool.in_order(work, reader):
            self._times.append(time.perf_counter())
            self._first = self._first or self._times[0]
            yield item

    @property
    def seconds(self) -> float:
        """From the first result to the last."""
        return self._times[-1] - self._first

    @property
    def fps(self) -> float:
        """Results a second over the last few; 0 before the second."""
        span = self._times[-1] - self._times[0] if self._times else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0


def entry_of(name: str, result: Result) -> dict[str, Any]:
    """The JSON of one picture or frame."""
    height, width = result.shape
    return {"path": name, "width": width, "height": height, **result.to_dict()}


def counted(labels: Counter[str]) -> str:
    """``3 person, 1 bus``."""
    return ", ".join(f"{n} {label}" for label, n in labels.most_common()) or "nothing"
