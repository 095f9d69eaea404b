"""The catalogue's file: the shipped one, and what is said of wrong ones."""

from decimal import Decimal

import pytest

from gateway.catalogue_file import read_catalogue
from gateway.domain.words import JobTypeFeature
from gateway.refusal import Refusal


@pytest.fixture
def catalogue(tmp_path):
    """Reads a catalogue from text."""

    def read(text):
        path = tmp_path / "catalogue.toml"
        path.write_text(text)
        return read_catalogue(path)

    return read


def test_the_shipped_catalogue_has_three_types_that_can_be_canceled():
    types = read_catalogue(None).all()
    assert [entry.type for entry in types] == ["DATA_CURATION_JOB", "DATA_VALIDATION_JOB", "GENERIC_JOB"]
    assert all(entry.features_on == (JobTypeFeature.CANCELLABLE,) for entry in types)


def test_a_type_may_give_defaults(catalogue):
    entry = catalogue(
        """
        [[types]]
        type = "NIGHTLY"
        name = "Nightly"
        commands = ["sh", "-c", "true"]
        timeoutSeconds = 60
        dockerImageUrl = "example/nightly:1"
        [types.resourceRequest]
        cpuLimit = 0.1
        [types.retryPolicy]
        maxAttempts = 3
        """
    ).get("NIGHTLY")
    assert entry.commands == ("sh", "-c", "true")
    assert entry.resource_request.cpu_limit == Decimal("0.1")
    assert entry.retry_policy.max_attempts == 3


def test_an_empty_catalogue_has_no_types(catalogue):
    assert catalogue("").all() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("types = 1", r"nothing but tables called \[\[types\]\]"),
        ("[[type]]\ntype = 'A'", r"nothing but tables called \[\[types\]\]"),
        ("types = [1]", "type number 1: "),
        ("[[types]]\nname = 'A'", "type number 1: type: Field required"),
        ("[[types]]\ntype = 'A'\nname = 'A'\ncolour = 'red'", "type A: colour: "),
        ("[[types]]\ntype = 'A'\nname = 'A'\ntimeoutSeconds = 0", "type A: timeoutSeconds: "),
        ("[[types]]\ntype = 'A'\nname = 'A'\n" * 2, "type A is there twice"),
        ("[[types]", "catalogue.toml: "),
    ],
)
def test_what_is_wrong_is_told(catalogue, text, message):
    with pytest.raises(Refusal, match=message):
        catalogue(text)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(Refusal, match="No such file"):
        read_catalogue(tmp_path / "none.toml")
