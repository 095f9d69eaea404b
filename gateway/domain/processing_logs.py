"""Processing logs: what data monitors found about the records of a storage."""

from typing import Annotated

from pydantic import ValidationInfo, field_validator

from gateway.domain.model import Maybe, Model
from gateway.domain.results import (
    MAX_RECORDS,
    NAMES_A_RECORD,
    EntryId,
    RecordIds,
    ResultLimit,
    check_record,
)
from gateway.domain.scalars import (
    Count,
    Cursor,
    Ident,
    Instant,
    Limits,
    Line,
    Message,
    Name,
    ResultData,
)
from gateway.domain.words import LogOmitFeature, ProcessingLogId, ResultReadFeature, ResultStatus

ToldJobId = Annotated[Line, Limits(min_length=1, max_length=64)]
"""The id of a job as it is told; it is not looked up."""


class ProcessingLogEntryWrite(Model):
    """What was found about one record, which is known by `businessPartnerId`, or else by `dataSourceId` and
    `externalId`.
    """

    model_config = NAMES_A_RECORD

    job_id: Maybe[ToldJobId] = None
    """The job that found it, as the writer says; it is not looked up."""
    business_partner_id: Maybe[Name] = None
    """Id of the business partner."""
    data_source_id: Maybe[Name] = None
    """The data source that the record comes from."""
    external_id: Maybe[Name] = None
    """Id of the record in its data source."""
    status: ResultStatus
    """What became of the record."""
    result_data: Maybe[ResultData] = None
    """What was found, usually JSON."""
    message: Maybe[Message] = None
    """What was found, for people."""

    @field_validator("status")
    @classmethod
    def _names_a_record(cls, status: ResultStatus, info: ValidationInfo) -> ResultStatus:
        """`status` is the first required member behind the ids."""
        check_record(info)
        return status


class ProcessingLogWrite(Model):
    """1 to 5000 entries, stored in one step, all or none."""

    entries: Annotated[tuple[ProcessingLogEntryWrite, ...], Limits(min_length=1, max_length=MAX_RECORDS)]
    """The entries, in the order in which they get their ids."""


class ProcessingLogEntry(Model):
    """An entry of a processing log."""

    id: EntryId
    """Number within the storage, growing in the order of the commits, as text."""
    processing_log_id: ProcessingLogId
    """The log that it stands in."""
    job_id: Maybe[ToldJobId] = None
    """The job that found it, as the writer says; it is not looked up."""
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
    """What was found, usually JSON; without FETCH_RESULT_DATA in `featuresOff`."""
    message: Maybe[Message] = None
    """What was found, for people."""
    created_at: Instant
    """When it was stored."""


class ProcessingLogQuery(Model):
    """Which entries of a log to list. Filters are combined with AND, the values of one with OR."""

    business_partner_id: RecordIds = ()
    """Only entries about these business partners."""
    data_source_id: RecordIds = ()
    """Only entries about records of these data sources."""
    external_id: RecordIds = ()
    """Only entries about records with these external ids."""
    status: Maybe[ResultStatus] = None
    """Only entries with this status."""
    start_after: Maybe[Cursor] = None
    """The id of the last entry seen; with USE_NEXT_START_AFTER `nextStartAfter` of the page before."""
    limit: ResultLimit = 100
    """The most entries on the page, 1 to 5000. Default 100."""
    features_on: Annotated[tuple[ResultReadFeature, ...], Limits(max_length=10)] = ()
    """Switches of the reading."""
    features_off: Annotated[tuple[LogOmitFeature, ...], Limits(max_length=10)] = ()
    """What to leave out."""
    fields: Annotated[tuple[Name, ...], Limits(max_length=100)] = ()
    """Top-level keys of the result data's JSON to keep; what is no JSON object stays as it is."""
    created_after: Maybe[Instant] = None
    """Only entries stored at this instant or later."""
    created_before: Maybe[Instant] = None
    """Only entries stored before this instant."""


class ProcessingLogPage(Model):
    """A page of a processing log."""

    start_after: Maybe[Cursor] = None
    """What the request said."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    limit: ResultLimit
    """The limit that was in force."""
    total: Maybe[Count] = None
    """Number of all entries that match; without NUMBER_OF_TOTAL in `featuresOff`."""
    values: tuple[ProcessingLogEntry, ...] = ()
    """The entries, ordered by id."""


class ProcessingLogDeleteQuery(Model):
    """Which entries of a log to delete; at least one member is needed. Members are combined with AND."""

    created_before: Maybe[Instant] = None
    """Only entries stored before this instant."""
    data_source_id: RecordIds = ()
    """Only entries about records of these data sources."""
    business_partner_id: RecordIds = ()
    """Only entries about these business partners."""
    external_id: RecordIds = ()
    """Only entries about records with these external ids."""
