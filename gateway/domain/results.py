"""Job results: what became of each record that a job dealt with."""

from typing import Annotated

from pydantic import ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.domain.model import Maybe, Model
from gateway.domain.scalars import (
    Count,
    Cursor,
    Ident,
    Instant,
    Int32,
    Int64,
    JobId,
    Limits,
    Line,
    Message,
    Name,
    ResultData,
)
from gateway.domain.words import ResultOmitFeature, ResultReadFeature, ResultStatus

MAX_RECORDS = 5000
ResultLimit = Annotated[Int32, Limits(ge=1, le=MAX_RECORDS)]
RecordIds = Annotated[tuple[Name, ...], Limits(max_length=500)]
EntryId = Annotated[Line, Limits(min_length=1, max_length=19)]


NAMES_A_RECORD = ConfigDict(
    json_schema_extra={
        "anyOf": [{"required": ["businessPartnerId"]}, {"required": ["dataSourceId", "externalId"]}]
    }
)
"""What `check_record` checks, for the published schema."""


class JobResultWrite(Model):
    """The result of one record, which is known by `businessPartnerId`, or else by `dataSourceId` and
    `externalId`.
    """

    model_config = NAMES_A_RECORD

    business_partner_id: Maybe[Name] = None
    """Id of the business partner."""
    data_source_id: Maybe[Name] = None
    """The data source that the record comes from."""
    external_id: Maybe[Name] = None
    """Id of the record in its data source."""
    status: ResultStatus
    """What became of the record."""
    result_data: Maybe[ResultData] = None
    """The result, usually JSON."""
    message: Maybe[Message] = None
    """The result for people."""

    @field_validator("status")
    @classmethod
    def _names_a_record(cls, status: ResultStatus, info: ValidationInfo) -> ResultStatus:
        """`status` is the first required member behind the ids."""
        check_record(info)
        return status


def check_record(info: ValidationInfo) -> None:
    """Refuses a result that names no record. A wrong id is told by itself, and is not in `info.data`."""
    ids = ("business_partner_id", "data_source_id", "external_id")
    if not all(name in info.data for name in ids):
        return
    partner, source, external = (info.data[name] for name in ids)
    if partner is None and (source is None or external is None):
        raise PydanticCustomError("record", "needs businessPartnerId, or dataSourceId and externalId")


class JobResultsWrite(Model):
    """Results of 1 to 5000 records, stored in one step, all or none."""

    storage_id: Ident
    """The storage to write to, which must be open; a job's own token writes to the job's storage alone."""
    results: Annotated[tuple[JobResultWrite, ...], Limits(min_length=1, max_length=MAX_RECORDS)]
    """The results, in the order in which they get their ids."""


class WriteSummary(Model):
    """What was stored."""

    written: Int64
    """How many entries."""
    first_id: EntryId
    """Id of the first one."""
    last_id: EntryId
    """Id of the last one."""


class JobResult(Model):
    """The result of one record."""

    id: EntryId
    """Number within the storage, growing in the order of the commits, as text."""
    job_id: JobId
    """The job that wrote it."""
    storage_id: Ident
    """The storage that it lies in."""
    business_partner_id: Maybe[Name] = None
    """Id of the business partner."""
    data_source_id: Maybe[Name] = None
    """The data source that the record comes from."""
    external_id: Maybe[Name] = None
    """Id of the record in its data source."""
    status: ResultStatus
    """What became of the record."""
    result_data: Maybe[ResultData] = None
    """The result, usually JSON."""
    message: Maybe[Message] = None
    """The result for people."""
    created_at: Instant
    """When it was stored."""


class StorageResultQuery(Model):
    """Which results of a storage to list. Filters are combined with AND, the values of one with OR."""

    business_partner_id: RecordIds = ()
    """Only results of these business partners."""
    data_source_id: Maybe[Name] = None
    """Only results of records of this data source."""
    external_id: RecordIds = ()
    """Only results of records with these external ids."""
    start_after: Maybe[Cursor] = None
    """The id of the last result seen; with USE_NEXT_START_AFTER `nextStartAfter` of the page before."""
    features_on: Annotated[tuple[ResultReadFeature, ...], Limits(max_length=10)] = ()
    """Switches of the reading."""
    features_off: Annotated[tuple[ResultOmitFeature, ...], Limits(max_length=10)] = ()
    """What to leave out."""
    status: Maybe[ResultStatus] = None
    """Only results with this status."""
    limit: ResultLimit = 100
    """The most results on the page, 1 to 5000. Default 100."""


class JobResultQuery(Model):
    """Which results of a job to list. Filters are combined with AND, the values of one with OR."""

    storage_id: Ident
    """The storage that the results lie in."""
    business_partner_id: RecordIds = ()
    """Only results of these business partners."""
    data_source_id: Maybe[Name] = None
    """Only results of records of this data source."""
    external_id: RecordIds = ()
    """Only results of records with these external ids."""
    start_after: Maybe[Cursor] = None
    """The id of the last result seen; with USE_NEXT_START_AFTER `nextStartAfter` of the page before."""
    features_on: Annotated[tuple[ResultReadFeature, ...], Limits(max_length=10)] = ()
    """Switches of the reading."""
    features_off: Annotated[tuple[ResultOmitFeature, ...], Limits(max_length=10)] = ()
    """What to leave out."""
    status: Maybe[ResultStatus] = None
    """Only results with this status."""
    limit: ResultLimit = 100
    """The most results on the page, 1 to 5000. Default 100."""


class JobResultPage(Model):
    """A page of results."""

    start_after: Maybe[Cursor] = None
    """What the request said."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    limit: ResultLimit
    """The limit that was in force."""
    total: Maybe[Count] = None
    """Number of all results that match; without NUMBER_OF_TOTAL in `featuresOff`."""
    values: tuple[JobResult, ...] = ()
    """The results, ordered by id."""


class LastResultSelection(Model):
    """The records whose newest results are wanted, 1 to 1000 ids in all."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["businessPartnerIds"], "properties": {"businessPartnerIds": {"minItems": 1}}},
                {"required": ["externalIds"], "properties": {"externalIds": {"minItems": 1}}},
            ]
        }
    )

    storage_id: Ident
    """The storage."""
    job_type: Maybe[Name] = None
    """Only results that jobs of this type wrote."""
    business_partner_ids: RecordIds = ()
    """Ids of business partners."""
    data_source_id: Maybe[Name] = None
    """The data source of the records that `externalIds` names; required with them."""
    external_ids: RecordIds = ()
    """Ids of records in the data source `dataSourceId`."""


class LastResults(Model):
    """The newest result of each record that has one."""

    count: Int32
    """How many there are."""
    values: tuple[JobResult, ...] = ()
    """The results, in the order in which the records were asked for."""


class StorageQuery(Model):
    """Which results of a job to delete."""

    storage_id: Maybe[Ident] = None
    """Only those in this storage; without it, all of the job's."""
