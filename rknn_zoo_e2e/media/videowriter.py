"""Writing videos: what was written plays, however the writing ended."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import cv2

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import part_of, write_error
from rknn_zoo_e2e.media.capture import silence
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.letterbox import Letterbox

CODECS = ("avc1", "mp4v")  # browsers play only H.264, but PyPI's OpenCV has no encoder for it
MAX_SIDE = 8190  # px; ISO/IEC 14496-2 has 13 bits for a side
RESERVED_DISK_BYTES = 16 << 20  # bytes to be left on the disk: room for the index at the end of a long video


class VideoWriter:
    """A video file; for use in a ``with`` block.

    The file appears when the block ends, be it by an error or Ctrl-C: what was written until then plays.
    Without a frame there is none, and an older file stays.

    Args:
        path: file to write, ``.mp4``; its folder is made.
        fps: frames per second.

    Attributes:
        frames: how many were written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps, self.frames = path, fps, 0
        self._part = part_of(path)
        self._size = (0, 0)
        self._writer: Any = None

    def write(self, rgb: Pixels) -> None:
        """Adds a frame (h, w, 3) uint8 RGB; one of another size than the first is letterboxed to that.

        Raises:
            UserError: the file cannot be written, or the disk is full.
        """
        if self._writer is None:
            self._size = rgb.shape[0], rgb.shape[1]
            self._writer = self._open()
        try:
            if shutil.disk_usage(self.path.parent).free < RESERVED_DISK_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise write_error(self.path, error) from error
        if rgb.shape[:2] != self._size:
            rgb = Letterbox.of(rgb, self._size).apply(rgb)
        height, width = self._size
        rgb = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)  # codecs want even sizes
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def _open(self) -> Any:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._part.write_bytes(b"")
        except OSError as error:
            raise write_error(self.path, error) from error
        silence()
        height, width = (side + side % 2 for side in self._size)
        for codec in CODECS:
            fourcc = cv2.VideoWriter.fourcc(*codec)
            writer = cv2.VideoWriter(str(self._part.absolute()), cv2.CAP_FFMPEG, fourcc, self.fps, (width, height))
            if writer.isOpened():
                return writer
        self._part.unlink(missing_ok=True)
        if max(width, height) > MAX_SIDE:
            raise UserError(
                f"{self.path} cannot be written: MPEG-4 takes no frames of {width} x {height} px.",
                f"Scale the video down to {MAX_SIDE} px a side first, or give --no-save.",
            )
        raise UserError(
            f"{self.path} cannot be written: OpenCV has no encoder for {width} x {height} px in {self.path.suffix}.",
            "Install one that has: pip install opencv-python-headless",
        )

    def close(self) -> None:
        """Ends the video and puts it in its place. Raises :class:`UserError` if it cannot be written."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.release()
            if self.frames:
                self._check()
                self._part.replace(self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _check(self) -> None:
        """Raises :class:`OSError` if frames are missing: OpenCV does not tell of a write that failed."""
        part = cv2.VideoCapture(str(self._part.absolute()), cv2.CAP_FFMPEG)
        if part.get(cv2.CAP_PROP_FRAME_COUNT) < self.frames:
            with self._part.open("ab") as file:
                file.write(bytes(1 << 20))  # fails for the same reason, and says which
            raise OSError(errno.EIO, "the encoder lost frames")

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
