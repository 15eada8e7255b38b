"""Strangers' bytes are decoded in a process whose memory, time and crashes cost one photo."""

import os
import resource
import signal
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lowkeyd.errors import PhotoIncomplete, PhotoTooLarge, UnreadablePhoto
from lowkeyd.imaging.decode import Limits, decode
from lowkeyd.worker.decoder import Decoder
from tests.imaging.make import LIMITS, deep_png, deep_portrait, png_chunk, portrait, saved

PHOTO = saved(portrait(), format="JPEG")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(LIMITS, 60.0)
    yield decoder
    decoder.end()


def pid(decoder: Decoder) -> int:
    return decoder._process.pid


def limit(decoder: Decoder, name: str) -> str:
    lines = Path(f"/proc/{pid(decoder)}/limits").read_text().splitlines()
    return next(line.removeprefix(name).split()[0] for line in lines if line.startswith(name))


@pytest.mark.parametrize("content", [PHOTO, deep_png(deep_portrait())])
def test_the_picture_is_the_same_as_if_it_were_decoded_here(decoder: Decoder, content: bytes) -> None:
    here, there = decode(content, LIMITS), decoder.decode(content)
    np.testing.assert_array_equal(there.pixels, here.pixels)
    np.testing.assert_array_equal(there.values, here.values)
    assert (there.space, there.format, there.labels, there.jpeg) == (here.space, here.format, here.labels, here.jpeg)
    there.pixels[0, 0] = 0  # can be written to


def test_threads_that_ask_at_once_each_get_their_own_picture(decoder: Decoder) -> None:
    shades = range(0, 250, 10)
    photos = [saved(np.full((400, 300, 3), shade, np.uint8), format="PNG") for shade in shades]
    with ThreadPoolExecutor(3) as threads:
        pictures = list(threads.map(decoder.decode, photos))
    assert [picture.pixels.mean() for picture in pictures] == list(shades)


def test_refusals_come_over_with_reason_and_advice(decoder: Decoder) -> None:
    with pytest.raises(PhotoIncomplete, match="the end of the JPEG file is missing"):
        decoder.decode(PHOTO[:-200])
    with pytest.raises(UnreadablePhoto, match="not a picture") as caught:
        decoder.decode(b"I am a text" * 9)
    assert caught.value.advice


def test_memory_and_processor_time_are_limited_and_no_core_is_dumped(decoder: Decoder) -> None:
    decoder.decode(PHOTO)
    assert 0.5e9 < int(limit(decoder, "Max address space")) < 3e9
    assert 60 <= int(limit(decoder, "Max cpu time")) <= 70
    assert limit(decoder, "Max core file size") == "0"


def test_what_needs_more_memory_than_it_may_have_is_refused_and_the_next_photo_decoded() -> None:
    decoder = Decoder(LIMITS, 60.0)
    try:
        decoder.decode(PHOTO)
        # As a decoder would be that is fooled about a picture's size: it asks for more than there is.
        resource.prlimit(pid(decoder), resource.RLIMIT_AS, (200_000_000, 200_000_000))
        with pytest.raises((PhotoTooLarge, UnreadablePhoto)):
            decoder.decode(saved(np.zeros((3000, 3000, 3), np.uint8), format="PNG"))
        np.testing.assert_array_equal(decoder.decode(PHOTO).pixels, decode(PHOTO, LIMITS).pixels)
    finally:
        decoder.end()


def test_what_takes_too_long_is_ended_and_the_next_photo_decoded(decoder: Decoder) -> None:
    decoder.decode(PHOTO)
    decoder._max_decode_s = 0.2
    os.kill(pid(decoder), signal.SIGSTOP)  # stands for a decoder that hangs
    with pytest.raises(PhotoTooLarge, match=r"took longer than 0.2 s") as caught:
        decoder.decode(PHOTO)
    assert "max_decode_s" in caught.value.advice
    decoder._max_decode_s = 60.0
    assert decoder.decode(PHOTO).format == "JPEG"


@pytest.mark.parametrize(
    ("number", "error", "told"),
    [
        (signal.SIGSEGV, UnreadablePhoto, "its decoder crashed .SIGSEGV."),
        (signal.SIGKILL, PhotoTooLarge, "was killed"),
        (signal.SIGXCPU, PhotoTooLarge, "took longer than"),
    ],
)
def test_a_crash_costs_one_photo(
    monkeypatch: pytest.MonkeyPatch, decoder: Decoder, number: signal.Signals, error: type[Exception], told: str
) -> None:
    decoder.decode(PHOTO)
    send = decoder._connection.send_bytes

    def send_and_crash(content: bytes) -> None:
        os.kill(pid(decoder), signal.SIGSTOP)
        send(content)
        os.kill(pid(decoder), number)
        os.kill(pid(decoder), signal.SIGCONT)

    monkeypatch.setattr(decoder._connection, "send_bytes", send_and_crash)
    with pytest.raises(error, match=told):
        decoder.decode(PHOTO)
    assert decoder.decode(PHOTO).format == "JPEG"


def test_a_process_that_died_between_photos_is_replaced_and_no_photo_blamed(decoder: Decoder) -> None:
    decoder.decode(PHOTO)
    first = pid(decoder)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert decoder.decode(PHOTO).format == "JPEG"
    assert pid(decoder) != first


def test_a_stop_of_the_service_does_not_end_it_before_the_worker(decoder: Decoder) -> None:
    decoder.decode(PHOTO)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid(decoder), number)
    first = pid(decoder)
    assert decoder.decode(PHOTO).format == "JPEG"
    assert pid(decoder) == first


def test_it_ends_when_its_owner_is_gone() -> None:
    decoder = Decoder(LIMITS, 60.0)
    decoder.decode(PHOTO)
    process = decoder._process
    decoder._connection.close()  # what the end of a process does, however it came
    assert process.wait(timeout=60) == 0
    decoder.end()


def test_it_leaves_no_process_behind() -> None:
    decoder = Decoder(LIMITS, 60.0)
    process = decoder._process
    del decoder
    assert process.returncode is not None


def test_giants_are_refused_in_less_than_a_second(decoder: Decoder) -> None:
    decoder.decode(PHOTO)
    for content in (png_of(20_000, 20_000), jpeg_of(30_000, 30_000)):
        started = time.monotonic()
        with pytest.raises(PhotoTooLarge, match=r"^[49]00\.0 megapixels, allowed are 10$"):
            decoder.decode(content)
        assert time.monotonic() - started < 60  # a second on a quiet machine; the benchmark says how much it is


def png_of(width: int, height: int) -> bytes:
    """A valid PNG of black pixels, packed as tightly as it goes."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(*part) for part in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that says it has that size."""
    content = bytearray(PHOTO)
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


def test_limits_are_handed_over() -> None:
    decoder = Decoder(Limits(max_megapixels=0.001, max_megabytes=10), 60.0)
    try:
        with pytest.raises(PhotoTooLarge, match=r"allowed are 0\.001"):
            decoder.decode(PHOTO)
    finally:
        decoder.end()


def test_what_libraries_say_about_damaged_files_stays_out_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    content = bytearray(saved(portrait(), format="TIFF", compression="tiff_lzw"))
    content[60:200] = b"\xff" * 140
    decoder = Decoder(LIMITS, 60.0)
    try:
        with pytest.raises(UnreadablePhoto):
            decoder.decode(bytes(content))
    finally:
        decoder.end()
    assert capfd.readouterr().err == ""
