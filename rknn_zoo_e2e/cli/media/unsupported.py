"""What people give to programs like this one and this one does not take, with what to give instead."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Unsupported:
    """A kind of source that is not taken.

    Attributes:
        pattern: matches the beginning of such a source, case aside.
        what: what is said of it, without a word of its text: it may hold a password.
        fix: what to give instead; ``{camera}`` stands for the number of one that is connected.
    """

    pattern: str
    what: str
    fix: str

    def matches(self, text: str) -> bool:
        """Whether the source is of this kind."""
        return re.match(self.pattern, text, re.IGNORECASE | re.DOTALL) is not None


UNSUPPORTED = (
    Unsupported(
        r".* ! |(v4l2|libcamera|nvarguscamera|rtsp|uridecodebin|file|test|videotest|appsrc)\w*src\b|gst-launch",
        "A GStreamer pipeline is not taken as a source.",
        "Give the camera, file or address it reads, for example: e2erknn demo {camera}",
    ),
    Unsupported(
        r"(https?://)?([\w-]+\.)*(youtube\.com|youtu\.be|youtube-nocookie\.com)(:\d+)?(/|$)",
        "A page of YouTube is not taken as a source.",
        "Download the video first: yt-dlp -f mp4 -o video.mp4 ADDRESS, then: e2erknn demo video.mp4",
    ),
    Unsupported(
        r"(screen|desktop)(\s+\d+)*$|:\d+(\.\d+)?$",
        "A screen is not taken as a source.",
        "Record it first: ffmpeg -f x11grab -i :0 -t 10 screen.mp4, then: e2erknn demo screen.mp4",
    ),
    Unsupported(
        r"(csi|usb|webcam|camera|cam|picamera)[\s:_-]*\d*$",
        "A camera is given by its number.",
        "Give it: e2erknn demo {camera}",
    ),
    Unsupported(
        r"\d{1,3}\s*,[\d,\s]*$",
        "Several cameras at once are not taken.",
        "Give one: e2erknn demo {camera}",
    ),
    Unsupported(
        r".*\.streams$",
        "A list of streams is not taken as a source.",
        "Give one of its lines, in quotes.",
    ),
    Unsupported(
        r"-$",
        "Standard input is not taken as a source.",
        "Write it to a file first: cat > picture.jpg, then: e2erknn demo picture.jpg",
    ),
    Unsupported(
        r"data:",
        "A data: address is not taken as a source.",
        "Save the picture as a file first, then give that.",
    ),
)  # fmt: skip


def unsupported(text: str) -> Unsupported | None:
    """The kind a text is of, None if it is of none."""
    return next((kind for kind in UNSUPPORTED if kind.matches(text)), None)
