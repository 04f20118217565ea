"""Any file a user may give as a picture: read rightly, or refused in two sentences."""

from __future__ import annotations

import io
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.vision import image as image_module
from rknn_zoo_e2e.vision.image import SUFFIXES, check_readable, pixels, read_image, save_image, to_rgb

BLOCKS = np.kron(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), np.ones((5, 5, 1), np.uint8))
MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I"]
MODES += ["I;16", "I;16B", "I;16L"]


def encoded(kind: str, picture: Image.Image | None = None, **options: object) -> bytes:
    """BLOCKS, or another picture, as a file's content."""
    file = io.BytesIO()
    (picture or Image.fromarray(BLOCKS)).save(file, kind, **options)
    return file.getvalue()


def more() -> list[Image.Image]:
    return [Image.fromarray(BLOCKS[::-1].copy()), Image.fromarray(255 - BLOCKS)]


FILES = {
    "plain.jpg": encoded("JPEG"),
    "progressive.jpg": encoded("JPEG", progressive=True),
    "grey.jpg": encoded("JPEG", Image.fromarray(BLOCKS[..., 0])),
    "several.jpg": encoded("MPO", save_all=True, append_images=more()),
    "camera.mpo": encoded("MPO", save_all=True, append_images=more()),
    "paint.jfif": encoded("JPEG"),
    "old.jpe": encoded("JPEG"),
    "plain.png": encoded("PNG"),
    "palette.png": encoded("PNG", Image.fromarray(BLOCKS).quantize(16)),
    "deep.png": encoded("PNG", Image.fromarray(BLOCKS[..., 0].astype(np.uint16) << 8)),
    "animated.png": encoded("PNG", save_all=True, append_images=more()),
    "animated.gif": encoded("GIF", save_all=True, append_images=more()),
    "animated.webp": encoded("WEBP", save_all=True, append_images=more(), lossless=True),
    "plain.webp": encoded("WEBP"),
    "plain.bmp": encoded("BMP"),
    "plain.tif": encoded("TIFF"),
    "pages.tif": encoded("TIFF", save_all=True, append_images=more()),
    "lzw.tif": encoded("TIFF", compression="tiff_lzw"),
    "deflate.tif": encoded("TIFF", compression="tiff_adobe_deflate"),
    "jpeg.tif": encoded("TIFF", compression="jpeg"),
    "fax.tif": encoded("TIFF", Image.fromarray(BLOCKS).convert("1"), compression="group4"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_first_frame_of_every_kind_is_read(tmp_path: Path, name):
    (tmp_path / name).write_bytes(FILES[name])
    image = read_image(tmp_path / name)
    assert image.shape == BLOCKS.shape and image.dtype == np.uint8 and pixels(tmp_path / name) == 30 * 40
    if name in ("animated.png", "animated.webp", "plain.png", "plain.bmp", "plain.tif", "pages.tif", "lzw.tif"):
        np.testing.assert_array_equal(image, BLOCKS)
    elif not name.startswith(("grey", "deep", "fax")):
        assert np.abs(image.astype(int) - BLOCKS).mean() < 30


def readable(path: Path, read=check_readable) -> bool:
    try:
        read(path)
    except UserError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_cut_off_at_any_byte_is_an_error_or_the_same_picture(tmp_path: Path, name):
    """Never half a picture."""
    data, path = FILES[name], tmp_path / name
    path.write_bytes(data)
    whole, refused = read_image(path), 0
    step = max(1, len(data) // 300)
    for length in range(len(data) - 1, 0, -step):
        path.write_bytes(data[:length])
        assert readable(path) == readable(path, read_image)
        try:
            np.testing.assert_array_equal(read_image(path), whole)
        except UserError as error:
            assert name in error.what
            refused += 1
    assert refused > 20


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(list(FILES)), data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, name, data):
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content)
    try:
        image = read_image(tmp_path / name)
    except UserError as error:
        assert name in error.what and "\n" not in error.what
    else:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode):
    image = to_rgb(Image.new(mode, (7, 5)))
    assert image.shape == (5, 7, 3) and image.dtype == np.uint8 and image.flags.writeable


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 16000), (16000, 1), (32767, 1), (2500, 4000)])
def test_strips_make_the_whole(height, width):
    """Converted in parts where it is large: none is lost or moved."""
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    np.testing.assert_array_equal(to_rgb(Image.fromarray(rgb)), rgb)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path):
    for suffix in ("png", "tif"):
        Image.fromarray(np.array([[0, 255, 32768, 65535]], np.uint16)).save(tmp_path / f"x.{suffix}")
        assert read_image(tmp_path / f"x.{suffix}")[0, :, 0].tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([[0, 0.5, 1, np.nan, np.inf]], np.float32), "floating-point"),
        (np.array([[0, 70_000]], np.int32), "beyond 16 bits"),
        (np.array([[-1, 9]], np.int32), "beyond 16 bits"),
    ],
)
def test_numbers_whose_range_nobody_knows_are_refused(tmp_path: Path, values, said):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(UserError, match=said):
        read_image(tmp_path / "x.tif")


TURNS = {2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2)}
TURNS |= {6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: np.rot90}


@pytest.mark.parametrize("orientation", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535])
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(BLOCKS).save(tmp_path / f"x.{suffix}", exif=exif, **{"lossless": True} if suffix == "webp" else {})
    expected = TURNS.get(orientation, lambda a: a)(BLOCKS)
    np.testing.assert_array_equal(read_image(tmp_path / f"x.{suffix}"), expected)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"nonsense",
        b"Exif\0\0MM\0*\0\0\0\x08\0\xff",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x05\0\0\0\x08",  # orientation as text
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x05\0\0\xff\xff",  # five of them, far away
    ],
)
def test_broken_exif_turns_nothing(tmp_path: Path, exif):
    (tmp_path / "x.jpg").write_bytes(encoded("JPEG", exif=exif))
    assert read_image(tmp_path / "x.jpg").shape == BLOCKS.shape


@pytest.mark.parametrize(("name", "kind"), [("a.png", "JPEG"), ("b.jpg", "PNG"), ("c.bmp", "WEBP"), ("d", "GIF")])
def test_the_content_counts_not_the_suffix(tmp_path: Path, name, kind):
    (tmp_path / name).write_bytes(encoded(kind))
    assert read_image(tmp_path / name).shape == BLOCKS.shape


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) (w) file\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"hello", "is not a picture"),
        (b"\xff\xd8\xff\xe0", "is not a picture|cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "is not a picture|cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
        (POSTSCRIPT, "is not a picture"),  # Pillow would run Ghostscript on it
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content, said):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.jpg ({said})"):
        read_image(tmp_path / "x.jpg")


def png(width: int, height: int, data: bytes = b"", *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG with any header, pixel data and further chunks."""
    header = b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (header, *extra, (b"IDAT", data), (b"IEND", b""))
    parts = (struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


INFLATED = 200_000_000
NOUGHTS = zlib.compress(bytes(INFLATED))
DOT = zlib.compress(bytes(4))
BOMBS = {
    "100000 x 100000": (png(100_000, 100_000, NOUGHTS), r"has 100000 x 100000 pixels, more than 256,000,000"),
    "one more": (png(16_000, 16_001, NOUGHTS), "more than 256,000,000 in all"),
    "a thread": (png(32_768, 1, DOT), "more than 32,767 a side"),
    "absurd": (png(2**31 - 1, 2**31 - 1), "more than 256,000,000"),
    "none": (png(0, 0), "is not a picture"),
    "text": (png(1, 1, DOT, (b"zTXt", b"a\0\0" + NOUGHTS)), "cannot be read"),
    "long text": (png(1, 1, DOT, *[(b"tEXt", b"a\0" + bytes(1_000_000))] * 80), "cannot be read"),
    "utf-8": (png(1, 1, DOT, (b"iTXt", b"a\0\1\0\0\0" + NOUGHTS)), "cannot be read"),
    "profile": (png(1, 1, DOT, (b"iCCP", b"a\0\0" + NOUGHTS)), "cannot be read"),
    "too little": (png(1000, 1000, DOT), "cannot be read"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, kind):
    content, said = BOMBS[kind]
    (tmp_path / "x.png").write_bytes(content)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom rknn_zoo_e2e.vision.image import read_image\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = peak()\n"
        "try: read_image(Path(sys.argv[1]))\nexcept Exception as error: print(error)\nprint(peak() - before << 10)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.png")], capture_output=True, text=True)
    *error, spent = out.stdout.splitlines()
    assert out.returncode == 0 and not out.stderr
    with pytest.raises(UserError, match=said):
        raise UserError(" ".join(error), "")
    assert int(spent) < 0.6 * INFLATED, f"{spent} bytes: the bomb went off"


def test_more_data_than_pixels_is_not_unpacked(tmp_path: Path):
    (tmp_path / "x.png").write_bytes(png(1, 1, NOUGHTS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_image(tmp_path / "x.png").shape == (1, 1, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before << 10 < INFLATED / 4


def test_what_is_no_file_is_named(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to("gone.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    names = ("fifo.jpg", "folder.jpg", "dangling.jpg", "loop.jpg", "gone.jpg", "a" * 300 + ".jpg", "a\0b.jpg")
    for path in (*(tmp_path / name for name in names), Path("/dev/zero"), Path("/dev/stdin")):
        with pytest.raises(UserError, match=r"is not a file|cannot be opened"):
            read_image(path)


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch):
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.jpg"
    path.write_bytes(FILES["plain.jpg"])
    if os.getuid():
        path.chmod(0)
    else:
        monkeypatch.setattr(os, "open", refused)  # root may read everything
    with pytest.raises(UserError, match=r"You may not read .*x\.jpg"):
        read_image(path)


def test_no_more_memory_is_told(tmp_path: Path):
    """A real limit on the process's memory, and a picture larger than that."""
    Image.new("L", (6000, 6000)).save(tmp_path / "x.png")
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom rknn_zoo_e2e.vision.image import read_image\n"
        "read_image(Path(sys.argv[2]))\nused = int(Path('/proc/self/statm').read_text().split()[0]) * 4096\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)\n"
        "try: read_image(Path(sys.argv[1]))\nexcept Exception as error: print(type(error).__name__, error)"
    )
    (tmp_path / "y.png").write_bytes(FILES["plain.png"])
    arguments = (str(tmp_path / "x.png"), str(tmp_path / "y.png"))
    out = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert "UserError" in out.stdout and "needs more memory than there is. Scale it down" in out.stdout, out.stderr


def test_a_picture_is_saved_whole_or_not_at_all(tmp_path: Path):
    name = "n" * 240 + ".jpg"  # as long as file systems take, with what is put before it while it is written
    save_image(tmp_path / name, BLOCKS)
    assert os.listdir(tmp_path) == [name]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.raises(UserError, match="cannot be written"):
            save_image(tmp_path / name, np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == [name] and read_image(tmp_path / name).shape == BLOCKS.shape


HEIC = Path(__file__).parent / "picture.heic"  # blocks as above, 60 x 80 px


@pytest.mark.parametrize("suffix", [".heic", ".HEIC", ".jpg"])
def test_an_iphones_picture_is_read_whatever_it_is_called(tmp_path: Path, suffix):
    path = tmp_path / f"IMG_1{suffix}"
    path.write_bytes(HEIC.read_bytes())
    image = read_image(path)
    assert image.shape == (60, 80, 3) and np.abs(image[::2, ::2].astype(int) - BLOCKS).mean() < 30
    assert {".heic", ".heif", ".avif"} <= SUFFIXES and readable(path)
    path.write_bytes(HEIC.read_bytes()[:500])
    assert not readable(path) and not readable(path, read_image)


def test_avif_is_read(tmp_path: Path):
    (tmp_path / "x.avif").write_bytes(encoded("AVIF", quality=90))
    assert np.abs(read_image(tmp_path / "x.avif").astype(int) - BLOCKS).mean() < 30


@pytest.mark.parametrize(("kind", "advice"), [("HEIF", r"\[heic\]"), ("AVIF", "pillow>=11.3")])
def test_what_could_be_read_with_more_installed_says_so(tmp_path: Path, monkeypatch, kind, advice):
    monkeypatch.setattr(image_module, "FORMATS", tuple(f for f in image_module.FORMATS if f != kind))
    image_module.formats.cache_clear()
    path = tmp_path / "x.jpg"
    path.write_bytes(HEIC.read_bytes() if kind == "HEIF" else encoded("AVIF"))
    with pytest.raises(UserError, match=f"is a picture in {kind}") as refused:
        read_image(path)
    assert refused.match(advice)
    monkeypatch.undo()
    image_module.formats.cache_clear()
    assert readable(path)
