"""Every error that lowkeyd raises on purpose, grouped by what is done about it.

LowkeydError
├── Fatal                 stop; the sentence goes to the user, the exit code to systemd
│   ├── ConfigError       78
│   ├── AlreadyRunning    11
│   ├── WeightsError      78
│   ├── FetchFailed       75
│   └── StoreError         1
│       └── StoreTooNew   78
├── PhotoError            this photo ends here, the next one please
│   ├── UnreadablePhoto
│   ├── UnsupportedPhoto
│   │   └── SeveralPictures
│   ├── PhotoTooLarge
│   ├── OptimiserFailed
│   ├── ProtectionTooWeak
│   └── PhotoLeftAlone    no failure: it is not for us
└── TryLater              nothing is wrong with the photo; `work/retry.py` says when
    ├── PhotoChanged
    ├── PhotoIncomplete
    ├── PhotoUnreachable
    ├── OutOfMemory
    └── OutboxUnavailable

A photo without a face is an outcome (`model.NoFace`), not an error.
"""

import os

from lowkeyd.model import Stage, Verdict

RETRY = "reload lowkeyd if its settings changed (`systemctl reload lowkeyd`), then `lowkeyd retry`."
"""How advice ends that may be followed by changing the configuration."""


class LowkeydError(Exception):
    """Root of the family."""


class Fatal(LowkeydError):
    """The program cannot go on; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(Fatal):
    """The configuration, or what it points to, has to be changed by a person."""

    exit_code = os.EX_CONFIG


class AlreadyRunning(Fatal):
    """Another daemon holds the state folder."""

    exit_code = 11


class WeightsError(Fatal):
    """A network's weights are missing, or are not what they should be."""

    exit_code = os.EX_CONFIG


class FetchFailed(Fatal):
    """A network's weights did not come over the line this time; another try may go on where this one stopped."""

    exit_code = os.EX_TEMPFAIL


class StoreError(Fatal):
    """The database cannot be used."""


class StoreTooNew(StoreError):
    """A newer lowkeyd has written the database: a person has to bring that back, or an older database."""

    exit_code = os.EX_CONFIG


class _AboutPhoto(LowkeydError):
    """Says at which stage, why, and what a person can do."""

    stage: Stage
    advice: str = ""

    def __init__(self, reason: str, *, stage: Stage | None = None, advice: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stage = stage or type(self).stage
        self.advice = advice if advice is not None else type(self).advice


class PhotoError(_AboutPhoto):
    """This photo cannot be protected as it is."""


class UnreadablePhoto(PhotoError):
    """The bytes are not a picture that the decoder understands."""

    stage = Stage.DECODE
    advice = "Open it in a picture viewer: if it is damaged there too, restore it from a backup; then `lowkeyd retry`."


class UnsupportedPhoto(PhotoError):
    """A picture, but of a kind that would not come through whole."""

    stage = Stage.DECODE
    advice = "Convert it to an ordinary JPEG or PNG and drop that in instead."


class SeveralPictures(UnsupportedPhoto):
    """An animation, or a file of several pages: one protected picture among others would protect nobody."""

    advice = "Save the picture that you want to publish as a file of its own and drop that in instead."


class PhotoTooLarge(PhotoError):
    """More pixels or bytes than this machine is allowed to spend on one photo."""

    stage = Stage.DECODE
    advice = f"Shrink it, or raise [worker] max_megapixels, which counts as far as memory reaches; {RETRY}"


class OptimiserFailed(PhotoError):
    """The optimiser or its networks failed on this photo."""

    stage = Stage.OPTIMISE
    advice = "Please report it with the log; `lowkeyd retry` runs it again."


class ProtectionTooWeak(PhotoError):
    """Recognisers still know the face, and such a copy is not to be delivered. `verdict` is what they said of it."""

    stage = Stage.VERIFY
    advice = f"Use a stronger [attack] preset or more networks in its ensemble; {RETRY}"

    def __init__(
        self, reason: str, verdict: Verdict | None = None, *, stage: Stage | None = None, advice: str | None = None
    ) -> None:
        super().__init__(reason, stage=stage, advice=advice)
        self.verdict = verdict


class PhotoLeftAlone(PhotoError):
    """A file that lowkeyd does not protect on purpose: RAW, protected before, or animated where that is wished."""

    stage = Stage.DECODE
    advice = "Nothing to do."

    @classmethod
    def raw(cls) -> "PhotoLeftAlone":
        """A camera's RAW file holds no finished picture that a copy could be made of."""
        return cls(
            "raw: a camera's RAW file, which is not developed here",
            advice="Put the JPEG that the camera or your RAW developer made of it beside it: that one is protected.",
        )


class TryLater(_AboutPhoto):
    """The photo is fine, the moment is not."""


class PhotoChanged(TryLater):
    """The file was written to while it was being worked on."""

    stage = Stage.ADMIT
    advice = "Nothing to do: it is taken again once it is quiet."


class PhotoIncomplete(TryLater):
    """The end of the file is missing: perhaps it is still being copied."""

    stage = Stage.DECODE
    advice = "If the copy has ended, the file is damaged: copy it again."


class PhotoUnreachable(TryLater):
    """The file is there but cannot be read."""

    stage = Stage.ADMIT
    advice = "Give the lowkeyd user read permission on the file and its folders."


class OutOfMemory(TryLater):
    """The optimiser asked for more memory than there is."""

    stage = Stage.OPTIMISE
    advice = f"Free memory on the device, or shrink the photo, or lower [worker] photos; {RETRY}"


class OutboxUnavailable(TryLater):
    """The protected copy cannot be written."""

    stage = Stage.PUBLISH
    advice = "Make room in the outbox and give the lowkeyd user write permission there."
