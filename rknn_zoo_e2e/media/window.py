"""A window for frames. Tk shows them: OpenCV's headless build has no windows."""

from __future__ import annotations

import time
from typing import Any

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.vision.arrays import Pixels

MAX_SCREEN_SHARE = 0.9  # of the screen that a frame may fill, as panels and the title take some


class Window:
    """A window of the desktop; for use in a ``with`` block, in the main thread.

    Raises:
        UserError: there is no display, or Python has no Tk.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise UserError(
                f"A window needs Tk, which this Python has not ({error}).",
                "Install it: sudo apt install python3-tk python3-pil.imagetk",
            ) from error
        try:
            self._root = tkinter.Tk(className="e2erknn")
        except tkinter.TclError as error:
            raise UserError(
                f"There is no display to open a window on ({error}).",
                "Run it in a terminal of the desktop or over ssh -X, or leave out --show.",
            ) from error
        self._photo = ImageTk.PhotoImage
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._image: Any = None
        self._open = True
        self._label.pack()
        self._root.title(title)
        self._root.resizable(False, False)
        self._root.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self._root.bind(key, self.close)

    def show(self, rgb: Pixels) -> bool:
        """Shows a frame (h, w, 3) uint8 RGB, scaled down to the screen. False once the user closed the window."""
        import cv2
        from PIL import Image

        if self._open:
            screen = self._root.winfo_screenheight(), self._root.winfo_screenwidth()
            height, width = (side * MAX_SCREEN_SHARE for side in screen)
            gain = min(height / rgb.shape[0], width / rgb.shape[1])
            if gain < 1:
                rgb = cv2.resize(rgb, None, fx=gain, fy=gain, interpolation=cv2.INTER_AREA)
            self._image = self._photo(Image.fromarray(rgb), master=self._root)  # Tk keeps no reference
            self._label.configure(image=self._image)
            self._root.update()
        return self._open

    def wait(self) -> bool:
        """Waits for any key. False if that closed the window, or it was closed."""
        key: list[Any] = []
        if self._open:
            binding = self._root.bind("<Key>", key.append, add="+")
            while self._open and not key:
                self._root.update()
                time.sleep(0.02)
            if self._open:
                self._root.unbind("<Key>", binding)
        return self._open

    def close(self, *_: Any) -> None:
        """Closes it, also as a Tk callback."""
        if self._open:
            self._open = False
            self._root.destroy()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
