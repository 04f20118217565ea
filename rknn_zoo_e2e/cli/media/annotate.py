"""Running a loaded model over pictures and videos: what ``demo`` draws, saves, shows and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from rknn_zoo_e2e.cli.media.frames import Frames
from rknn_zoo_e2e.cli.media.sources import Source
from rknn_zoo_e2e.cli.media.targets import Targets
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import write_error
from rknn_zoo_e2e.media.picture import Picture
from rknn_zoo_e2e.media.video import VideoReader
from rknn_zoo_e2e.media.videowriter import VideoWriter
from rknn_zoo_e2e.media.window import Window
from rknn_zoo_e2e.runtime.base import RuntimeGone
from rknn_zoo_e2e.runtime.ordered import in_order
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.image import SCALE_DOWN, pixels, read_image, save_image

LARGE_PICTURE = 16_000_000  # pixels; larger ones are worked on one at a time, as each takes 7 to 10 bytes a pixel


@dataclass
class Annotator:
    """Runs a model on sources, in order, and says what comes of each as it comes.

    Attributes:
        model: what its loading is called in ``progress``.
        out: folder for drawn pictures and videos; None to save nothing.
        window: where to show them, if anywhere.
        keep: gather ``images`` and ``failed`` for the JSON document; they grow with every picture and frame.
        images: the JSON document's entries, of a video one a frame.
        failed: ``path`` and ``error`` of each source that could not be used.
        failures: how many those are.
        error: the first of their errors; that of a runtime which fails over and over.
        stopped: the user closed the window, or no more pictures are worth a try.
    """

    predictor: Predictor
    model: str
    progress: StageProgress
    out: Path | None
    window: Window | None = None
    keep: bool = False
    images: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    failures: int = 0
    error: UserError | None = None
    stopped: bool = False
    _targets: Targets | None = None
    _alone: bool = False
    _large: Lock = field(default_factory=Lock)

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
            self._targets = Targets(self.out, sources)
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
        targets = self._targets
        jobs = ((source, targets.file(source.name, ".jpg") if targets else None) for source in sources)
        with closing(in_order(self._picture, jobs, self.predictor.threads)) as done:
            for index, (source, found) in enumerate(zip(sources, done, strict=True)):
                self.progress.stage("pictures", self.predictor.backend, index / len(sources))
                if isinstance(found, UserError):
                    self._fail(source.shown, found)
                else:
                    self._tell(*found)
                if self.stopped:
                    return
        self.progress.done("pictures")

    def _picture(self, job: tuple[Source, Path | None]) -> tuple[dict[str, Any], Pixels] | UserError:
        source, target = job
        assert isinstance(source.place, (Path, Picture))
        try:
            with self._large if pixels(source.place) > LARGE_PICTURE else nullcontext():
                image = read_image(source.place)
                result = self.predictor(image)
                entry = entry_of(source.shown, result)
                if target or self.window:
                    image = result.draw(image)
                if target:
                    save_image(target, image)
                    entry["drawn"] = str(target)
                return entry, image if self.window else np.empty(0, np.uint8)
        except UserError as error:
            return error
        except MemoryError:
            return UserError(f"{source.shown} needs more memory than there is.", SCALE_DOWN)

    def _tell(self, entry: dict[str, Any], drawn: Pixels) -> None:
        """What came of one picture."""
        if self.keep:
            self.images.append(entry)
        path = entry["path"]
        self._tell_retried(path, entry.get("retried"))
        kept = f" -> {entry['drawn']}" if self.out else ""
        what = counted(Counter(d["label"] for d in entry["detections"]))
        self.progress.say(f"{path}: {what} ({sum(entry['ms'].values()):.0f} ms){kept}")
        if self.window and not (self.window.show(drawn) and self.window.wait()):
            self.stopped = True

    def video(self, source: Source) -> None:
        """One video, camera or stream. What was written plays, however it ended."""
        target = self._targets.file(source.name, ".mp4") if self._targets else None
        count, seen, frames = Counter[str](), 0, Frames()
        name = source.shown
        assert not isinstance(source.place, Picture)
        try:
            with ExitStack() as stack:
                reader = stack.enter_context(VideoReader(source.place))
                total = None if reader.live else reader.frames
                writer = stack.enter_context(VideoWriter(target, reader.fps)) if target else None
                for result, drawn in frames.of(self.predictor, reader, draw=bool(target or self.window)):
                    if writer:
                        # A live source gives as many frames as the model can take: repeated, they keep the time.
                        due = round(frames.seconds * reader.fps) if reader.live else 0
                        for _ in range(max(1, due - writer.frames)):
                            writer.write(drawn)
                    self._tell_retried(f"{name}, frame {seen}", result.retried)
                    if self.keep:
                        self.images.append({**entry_of(name, result), "drawn": str(target or ""), "frame": seen})
                    count.update(result.label(i) for i in range(len(result)))
                    seen += 1
                    share = min(seen / total, 1) if total else 0.0
                    self.progress.stage(name, self.predictor.backend, share, f"{frames.fps:.1f} FPS")
                    if self.window and not self.window.show(drawn):
                        self.stopped = True
                        break
        except UserError as error:
            self._fail(name, error)
        finally:
            if seen:
                kept = f" -> {target}" if target else ""
                rate = f", {(seen - 1) / max(frames.seconds, 1e-9):.1f} FPS" if seen > 1 else ""
                self.progress.say(f"{name}: {seen} frames{rate}, {counted(count)}{kept}")
                self.progress.done(name)

    def _tell_retried(self, name: str, failure: str | None) -> None:
        """A failure that cost nothing but time, if there was one."""
        if failure:
            self.progress.done(self.model)  # it was loaded once more
            self.progress.note(f"{name}: {failure} It was started anew, and this run again.")

    def _fail(self, name: str, error: UserError) -> None:
        self.failures += 1
        what = error.what if name in error.what else f"{name}: {error.what}"
        if self.keep:
            self.failed.append({"path": name, "error": what})
        if isinstance(error, RuntimeGone):
            self.error, self.stopped = error, True
        elif not self._alone:
            self.progress.note(f"Skipped: {what} {error.fix}")
        self.error = self.error or error


def entry_of(name: str, result: Result) -> dict[str, Any]:
    """The JSON of one picture or frame; ``retried`` is there only if the runtime failed before."""
    height, width = result.shape
    retried = {"retried": result.retried} if result.retried else {}
    return {"path": name, "width": width, "height": height, **result.to_dict(), **retried}


def counted(labels: Counter[str]) -> str:
    """``3 person, 1 bus``."""
    return ", ".join(f"{n} {label}" for label, n in labels.most_common()) or "nothing"
