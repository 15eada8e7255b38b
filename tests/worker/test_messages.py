"""Every message survives the way through the pipe."""

import pickle

import pytest

from lowkeyd.errors import LowkeydError, PhotoError, ProtectionTooWeak, TryLater
from lowkeyd.model import NoFace, Stage
from lowkeyd.worker.messages import BatchDone, Broken, Finished, Reached, Ready, Stepped, Task, Unfit
from tests.helpers.stand_in import protected


def sent(message: object) -> object:
    return pickle.loads(pickle.dumps(message))  # noqa: S301 - what multiprocessing does between our own processes


@pytest.mark.parametrize(
    "message",
    [
        Task(1, b"/in/caf\xe9.jpg", "ab"),
        Ready("cuda:0", 1.5),
        Unfit("no weights"),
        Reached(1, Stage.VERIFY),
        Stepped(3, 40),
        Finished(1, NoFace(0.5)),
        Finished(1, protected(b"x")),
        BatchDone(900.0),
        Broken("Traceback"),
    ],
)
def test_messages_arrive_as_they_were_sent(message: object) -> None:
    assert sent(message) == message


@pytest.mark.parametrize(
    "error",
    [error for group in (PhotoError, TryLater) for error in group.__subclasses__()],
)
def test_errors_about_photos_arrive_with_reason_stage_and_advice(error: type[PhotoError | TryLater]) -> None:
    arrived = sent(error("the reason", stage=Stage.ENCODE, advice="Do this."))
    assert isinstance(arrived, error)
    assert (arrived.reason, arrived.stage, arrived.advice, str(arrived)) == (
        "the reason",
        Stage.ENCODE,
        "Do this.",
        "the reason",
    )
    assert isinstance(arrived, LowkeydError)


def test_what_recognisers_said_of_a_refused_copy_arrives_too() -> None:
    verdict = protected(b"x").verdict
    arrived = sent(ProtectionTooWeak("still recognised", verdict))
    assert isinstance(arrived, ProtectionTooWeak)
    assert arrived.verdict == verdict
