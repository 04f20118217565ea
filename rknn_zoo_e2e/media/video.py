"""Reading videos: files whole and in order, cameras and streams at their newest frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media import capture
from rknn_zoo_e2e.media.address import Address, read_address
from rknn_zoo_e2e.media.capture import AGAIN, Newest, is_cut_off, open_camera, open_file, open_stream, read
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.image import check_size

DEFAULT_FPS = 25.0  # where the source tells none
FPS_RANGE = (1 / 60, 480.0)  # outside it is a time base, not a rate: RTSP senders say 90000
SIDES = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)


class VideoReader:
    """The frames of a video; for use in a ``with`` block.

    Iterating gives (h, w, 3) uint8 RGB, turned upright by the video's rotation. Of a file every frame comes, in order.
    A live source is read by a thread that keeps the newest frame only, so that a slow model sees the present.
    It never ends well: iteration ends with an error once the sender is gone.

    Args:
        place: file, number of a camera, or address of a stream.

    Attributes:
        name: for people, without credentials.
        fps: frames per second.
        frames: how many the header promises, often an estimate; None where it does not say.
        live: whether it is a camera or a stream without an end.

    Raises:
        UserError: it does not exist, cannot be opened, has no frame, or (while iterating) ended early.
    """

    def __init__(self, place: Path | int | str | Address) -> None:
        self.place = read_address(place, capture.SCHEMES) if isinstance(place, str) else place
        self.name, self._capture = self._open()
        try:
            check_size(self.name, *(int(self._capture.get(side)) for side in SIDES))
        except UserError:
            self.close()
            raise
        good, self._first = read(self._capture)
        if not good:
            self.close()
            if isinstance(place, Path):
                raise UserError(f"{self.name} has no frame that can be decoded.", AGAIN)
            raise UserError(f"{self.name} gives no picture.", "Check that it is sending, then run again.")
        fps, frames = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = float(fps) if FPS_RANGE[0] <= fps <= FPS_RANGE[1] else DEFAULT_FPS
        self.frames = int(frames) if 0 < frames < 1 << 31 else None
        self.live = isinstance(self.place, int) or (isinstance(self.place, Address) and self.frames is None)
        self._read, self._ms = 0, 0.0
        if self.live:
            self._capture, self._first = Newest(self._capture, self._first), None

    def _open(self) -> tuple[str, Any]:
        if isinstance(self.place, Path):
            return str(self.place), open_file(self.place)
        if isinstance(self.place, int):
            return f"camera {self.place}", open_camera(self.place)
        return str(self.place), open_stream(self.place)

    def __iter__(self) -> Iterator[Pixels]:
        return self

    def __next__(self) -> Pixels:
        if self._capture is None:
            raise StopIteration
        good, frame = (True, self._first) if self._first is not None else read(self._capture)
        self._first = None
        if not good:
            self.close()
            self._check_end()
            raise StopIteration
        self._read += 1
        if not self.live:
            self._ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        rgb: Pixels = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        return rgb

    def _check_end(self) -> None:
        """Raises :class:`UserError` if the frames ended before the video did."""
        if self.live:
            raise UserError(
                f"{self.name} ended after {self._read} frames.",
                "What was written is kept; check the sender and run again.",
            )
        # Whole files, too, have fewer frames than promised: an edit list hides some, the sound is longer, the rate
        # varies. So only half of them, in number and in time, is asked of a file that is not cut off.
        least = 0.9 if not isinstance(self.place, Path) else 1.0 if is_cut_off(self.place) else 0.5
        if self.frames and self._read < least * self.frames and self._ms < least * self.frames / self.fps * 1000:
            raise UserError(
                f"{self.name} ends early: {self._read} of {self.frames} frames could be read.",
                f"What was written is kept. {AGAIN}",
            )

    def close(self) -> None:
        """Lets the source go."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
