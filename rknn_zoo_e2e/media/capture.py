"""Opening video files, cameras and streams with OpenCV, and what can be wrong with them."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import cv2

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.address import ADVICE, Address
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.image import open_regular

# Ultralytics' (ultralytics.data.utils.VID_FORMATS) without gif, which is a picture here, and what cameras record to
SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"}
    | {".ts", ".webm", ".wmv"}
)
PLAYLISTS = (b"#EXTM3U", b"ffconcat")  # FFmpeg opens what they name, whatever they are called themselves
SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp")  # of streams
FFMPEG_SILENT = "-8"  # AV_LOG_QUIET
TIMEOUT_MS = 10_000  # a sender silent for longer is gone; V4L2's own limit is the same
# Outermost boxes of MP4 and MOV: ISO/IEC 14496-12, table 1, and Apple's wide
BOXES = frozenset(b"emsg free ftyp mdat meta mfra moof moov pdin prft sidx skip styp udta uuid wide".split())
AGAIN = "Copy, download or record the video again."


def silence(always: bool = False) -> None:
    """Keeps OpenCV's and FFmpeg's lines off stderr, where they would bury our own.

    Args:
        always: even where OPENCV_LOG_LEVEL is set to show them: their lines hold addresses with passwords.
    """
    if always or "OPENCV_LOG_LEVEL" not in os.environ:
        log = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # type: ignore[attr-defined]  # 4.13
        log.setLogLevel(0)
        if always:
            os.environ["OPENCV_FFMPEG_LOGLEVEL"] = FFMPEG_SILENT
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_SILENT)  # read when OpenCV first uses FFmpeg


def open_file(path: Path) -> Any:
    """A ``cv2.VideoCapture`` that turns frames upright. Raises :class:`UserError` if it is no readable video."""
    with open_regular(path) as file:
        head = file.read(64)
    none = UserError(f"{path} is not a video.", f"Give one of: {', '.join(sorted(SUFFIXES))}.")
    if head.startswith(PLAYLISTS) or b"\0" not in head:  # text: every container has a zero in its first bytes
        raise none
    silence()
    # An absolute path, as FFmpeg takes "concat:a" for a protocol
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UserError(f"{path} is cut off: only its beginning is here.", AGAIN) if is_cut_off(path) else none
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # 4.11 has it off
    return capture


def open_stream(address: Address) -> Any:
    """A ``cv2.VideoCapture`` that gives up on a silent sender. Raises :class:`UserError` if it cannot be opened."""
    silence(always=True)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
    capture = cv2.VideoCapture(address.to_open, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        advice = ADVICE if address.unsure else "Check the address, user and password, and that the sender is running."
        raise UserError(f"{address} cannot be opened.", advice)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def open_camera(number: int) -> Any:
    """A ``cv2.VideoCapture`` of ``/dev/video<number>``. Raises :class:`UserError` if it is missing or in use."""
    linux, device = sys.platform == "linux", Path(f"/dev/video{number}")
    if linux and not device.exists():
        there = ", ".join(map(str, cameras()))
        raise UserError(f"There is no camera {number}.", f"Give one of: {there}." if there else "Connect one first.")
    if linux and not os.access(device, os.R_OK | os.W_OK):
        raise UserError(f"You may not use {device}.", "Run: sudo usermod -aG video $USER, then log in again.")
    silence()
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
    if not capture.isOpened():
        raise UserError(f"Camera {number} cannot be opened.", "Close the program that uses it, or give another number.")
    return capture


def cameras() -> list[int]:
    """Numbers of the cameras Linux knows."""
    return sorted(int(path.name[5:]) for path in Path("/dev").glob("video[0-9]*"))


def read(capture: Any) -> tuple[bool, Pixels | None]:
    """The next frame (h, w, 3) uint8 BGR of a ``cv2.VideoCapture``.

    (False, None) at the end, or where OpenCV gives up on a damaged one.
    """
    try:
        answer: tuple[bool, Pixels | None] = capture.read()
        return answer
    except cv2.error:
        return False, None


class Newest:
    """A capture read by a thread, of which ``read`` gives the newest frame, once.

    Args:
        capture: an open ``cv2.VideoCapture``; the thread owns it from here on.
        frame: the first one.
    """

    def __init__(self, capture: Any, frame: Pixels | None) -> None:
        self.capture, self.frame, self.ended = capture, frame, False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._run, name="newest frame", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            while not self.ended:
                good, frame = read(self.capture)
                if not good:
                    break
                with self.changed:
                    self.frame = frame
                    self.changed.notify()
        finally:
            with self.changed:
                self.ended = True
                self.changed.notify()
            self.capture.release()

    def read(self) -> tuple[bool, Pixels | None]:
        """Waits for a frame that was not given yet; (False, None) at the end."""
        with self.changed:
            self.changed.wait_for(lambda: self.frame is not None or self.ended)
            frame, self.frame = self.frame, None
        return frame is not None, frame

    def release(self) -> None:
        """Ends the thread; one that waits for a silent sender follows at the time limit."""
        self.ended = True
        self.thread.join(2)


def is_cut_off(path: Path) -> bool:
    """Whether a file is shorter than its container says (MP4 and MOV, AVI, Matroska and WebM), or gone."""
    try:
        size, end = path.stat().st_size, 0
        with path.open("rb") as file:
            while end < size:
                file.seek(end)
                length = _length(file.read(16))
                if length is None:
                    return False
                end += length
    except OSError:
        return True
    return end > size


def _length(head: bytes) -> int | None:
    """Bytes of the container's element that begins with ``head``, None where it does not tell."""
    if head[:4] == b"RIFF":  # 0 or all ones where the writer could not come back to fill it in
        length = int.from_bytes(head[4:8], "little")
        return length + 8 if 0 < length < 0xFFFFFFFF else None
    if head[:4] in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):  # EBML header and Segment: RFC 8794, sections 4 and 5
        if len(head) < 13:
            return 16  # its own head is cut
        octets = 9 - head[4].bit_length()
        length = int.from_bytes(head[4 : 4 + octets], "big") & (unknown := (1 << 7 * octets) - 1)
        return 4 + octets + length if length != unknown else None
    if head[4:8] in BOXES:
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        return length if length >= 8 else None
    return None
