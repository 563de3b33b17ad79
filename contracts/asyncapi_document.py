"""The AsyncAPI 3.0 document of the exchange: its topics, every message on them, and which service says and hears what."""

from typing import Any

from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts import events, topics
from contracts.base import Fact
from contracts.directory import SignedCheckpoint, SignedEntry
from contracts.documents import Document
from contracts.envelope import type_of
from contracts.registry import DOCUMENTS, EVENTS, FACTS

# What every service with a log of its own says beside its business.
_EVERYONE: tuple[type[Fact], ...] = (
    events.MessageParked,
    events.MessageProposed,
    events.MessageDecided,
    events.MessageReleased,
)

# What either agency says of a case that it shares with the other.
_EITHER_AGENCY: tuple[type[Fact], ...] = (
    events.DeadlineReminded,
    events.DeadlineBreached,
    events.DeadlineEscalated,
    events.DeadlineRecomputed,
    events.QuestionAsked,
    events.QuestionReceived,
    events.QuestionAnswered,
    events.AnswerReceived,
    events.DeathReported,
    events.DocumentSent,
    events.DocumentReceived,
    events.DocumentRejected,
    events.AccountOpened,
    events.AccountSealed,
    events.AccountSettled,
    events.AccountClosed,
    events.BalanceStated,
    events.ContributionCorrected,
)

# What each service says on its own province's journal.
SAYS: dict[str, tuple[type[Fact], ...]] = {
    "origin-agency": (
        *_EVERYONE,
        *_EITHER_AGENCY,
        events.ContactLetterReceived,
        events.ContactLetterReturned,
        events.NotMovableNotified,
        events.ArrearsNotified,
        events.InformationFormIssued,
        events.InformationFormRevoked,
        events.FundsRemitted,
        events.FundsReturned,
        events.RelationshipClosed,
        events.RelationshipReopened,
        events.TransferSettled,
        events.RecallRequested,
        events.RecallAnswered,
        events.WithdrawalAnswered,
        events.ContributionRecorded,
        events.InterestCredited,
        events.AccountReopened,
        events.VoucherIssued,
        events.DeathNoted,
        events.AccountHeld,
        events.AccountReleased,
        events.DoubleDrawingSettled,
        events.EndingApplied,
        events.EndingNotified,
        events.EndingConfirmed,
        events.EndingWithdrawn,
        events.RecordsImported,
        events.RulesImported,
        events.YearEndBegun,
        events.YearEndCompleted,
        events.PaperKept,
        events.PaperRead,
        events.PaperDestroyed,
    ),
    "destination-agency": (
        *_EVERYONE,
        *_EITHER_AGENCY,
        events.Applied,
        events.MaterialRequested,
        events.MaterialSupplied,
        events.Accepted,
        events.Refused,
        events.ContactLetterSent,
        events.InformationFormReceived,
        events.FundsReceived,
        events.FundsSentBack,
        events.DiscrepancyRaised,
        events.DiscrepancyAgreed,
        events.DiscrepancyResolved,
        events.Completed,
        events.Corrected,
        events.DuplicatesFound,
        events.DuplicatesCleared,
        events.RecallReceived,
        events.RecallDeclined,
        events.Recalled,
        events.TransferReturned,
        events.TransferReaddressed,
        events.TransferClosed,
        events.WithdrawalRequested,
        events.WithdrawalDeclined,
        events.Cancelled,
        events.GatheringOpened,
        events.GatheringCompleted,
        events.GatheringPlaceDiffers,
        events.RelocationDeclared,
    ),
    "notification": (*_EVERYONE, events.NoticeDelivered, events.NoticeFailed),
}

# Who hears whole journals: its own province's, or all of them.
HEARS_JOURNAL = {
    "notification": "the public changes of its own province's transfers, to tell the person",
    "portal": "everything of its own province, to show it",
    "audit": "the journals of all provinces, to fold and compare them",
}

_HEADERS: dict[str, str] = {
    topics.SERVICE: "province/service that numbered and signed the record",
    topics.NUMBER: "the record's place in that service's log, decimal",
    topics.PROOF: "RFC 6962 inclusion path: the raw hashes joined, bottom up; empty in a batch of one",
    topics.CHECKPOINT: "JSON of the SignedCheckpoint of the record's batch",
    topics.TYPE: "CloudEvents type, to pass over what is not wanted without decoding it",
}
_ROLE = "the addressed role; set on an exchange alone"


def document() -> dict[str, Any]:
    """The document, checked against FastStream's AsyncAPI 3.0 model before it is given out."""
    unsaid = EVENTS - {fact.type_name for says in SAYS.values() for fact in says}
    assert not unsaid, f"name in SAYS which service says {sorted(unsaid)}"
    whole = {
        "asyncapi": "3.0.0",
        "id": "urn:jiexu:exchange",
        "info": {
            "title": "Jiexu exchange",
            "version": "1.0.0",
            "description": "What provinces say to each other about the transfer of old-age insurance relationships, and what "
            "each says happened. Records are CloudEvents 1.0 (structured JSON), numbered and signed in batches.",
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": {**{_name(fact): _message(fact) for fact in _facts()}, **_other_messages()},
            "messageTraits": {"evidence": {"headers": _headers()}},
            "schemas": _schemas(),
        },
    }
    ApplicationSchema.model_validate(whole)
    return whole


def _facts() -> list[type[Fact]]:
    return [FACTS[name] for name in sorted(FACTS)]


def _name(fact: type[Fact]) -> str:
    return f"{fact.type_name}.v{fact.version}"


def _channels() -> dict[str, Any]:
    province = {"province": {"description": "GB/T 2260, first two digits", "examples": ["33", "44"]}}
    exchange, journal, checkpoints, directory = topics.topics(("{province}",))
    return {
        "exchange": _channel(exchange, DOCUMENTS, province),
        "journal": _channel(journal, EVENTS, province),
        "checkpoints": _channel(checkpoints, ("checkpoint.v1",)),
        "directory": _channel(directory, ("directory_entry.v1",)),
    }


def _channel(topic: topics.Topic, messages: Any, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    names = sorted(_name(FACTS[name]) if name in FACTS else name for name in messages)
    found: dict[str, Any] = {
        "address": topic.name,
        "title": topic.summary,
        "description": f"{topic.summary}. Keyed by {topic.key}; the number of partitions never changes.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": topic.config["cleanup.policy"].split(","),
                    "retention.ms": int(topic.config["retention.ms"]),
                    "max.message.bytes": int(topic.config["max.message.bytes"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }
    if parameters:
        found["parameters"] = parameters
    return found


def _message(fact: type[Fact]) -> dict[str, Any]:
    key = "case id" if "case_id" in fact.model_fields else "account reference, or what the fact is about"
    found: dict[str, Any] = {
        "name": type_of(fact),
        "title": fact.__name__,
        "summary": (fact.__doc__ or "").split("\n")[0],
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"#/components/schemas/Message_{fact.__name__}"},
        "traits": [{"$ref": "#/components/messageTraits/evidence"}],
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }
    if issubclass(fact, Document):
        found["headers"] = {
            "type": "object",
            "properties": {topics.ROLE: {"type": "string", "const": fact.to_role, "description": _ROLE}},
            "required": [topics.ROLE],
        }
        found["description"] = f"The opened body is described by schemas/{fact.type_name}.body.v{fact.version}.json."
    return found


def _other_messages() -> dict[str, Any]:
    def plain(name: str, model: type[BaseModel], key: str) -> dict[str, Any]:
        return {
            "name": name,
            "title": model.__name__,
            "summary": (model.__doc__ or "").split("\n")[0],
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
            "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
        }

    return {
        "checkpoint.v1": plain("checkpoint", SignedCheckpoint, "province/service"),
        "directory_entry.v1": plain("directory entry", SignedEntry, "province"),
    }


def _headers() -> dict[str, Any]:
    properties = {name: {"type": "string", "description": text} for name, text in _HEADERS.items()}
    return {"type": "object", "properties": properties, "required": list(_HEADERS)}


def _schemas() -> dict[str, Any]:
    models: list[type[BaseModel]] = [*_facts(), SignedCheckpoint, SignedEntry]
    _, shared = models_json_schema([(model, "validation") for model in models], ref_template="#/components/schemas/{model}")
    found: dict[str, Any] = dict(shared["$defs"])
    for fact in _facts():
        found[f"Message_{fact.__name__}"] = {
            "title": type_of(fact),
            "description": "CloudEvents 1.0, structured JSON",
            "type": "object",
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "pattern": "^[!-~]{1,64}$"},
                "source": {"type": "string", "pattern": r"^/provinces/\d{2}/[a-z-]+$"},
                "type": {"const": type_of(fact)},
                "subject": {"type": "string", "minLength": 1, "maxLength": 64},
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "dataschema": {"const": f"urn:jiexu:schema:{_name(fact)}"},
                "causationid": {"type": "string"},
                "data": {"$ref": f"#/components/schemas/{fact.__name__}"},
            },
            "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
        }
    return dict(sorted(found.items()))


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    sealed: list[type[Document]] = [fact for fact in _facts() if issubclass(fact, Document)]
    documents_by_role = {role: [fact for fact in sealed if fact.to_role == role] for role in topics.ROLES}
    for service, says in SAYS.items():
        found[f"{service}.say"] = _operation("send", "journal", f"What {service} says happened", map(_name, says))
        found[f"{service}.checkpoint"] = _operation("send", "checkpoints", f"Signed batch heads of {service}", ("checkpoint.v1",))
        heard = documents_by_role.get(service, [])
        if heard:
            found[f"{service}.hear"] = _operation(
                "receive", "exchange", f"Documents addressed to {service} of this province", map(_name, heard)
            )
        sent = [fact for role, facts in documents_by_role.items() if heard and role != service for fact in facts]
        if sent:
            found[f"{service}.send"] = _operation(
                "send", "exchange", f"Documents that {service} sends to another province", map(_name, sent)
            )
    for service, what in HEARS_JOURNAL.items():
        found[f"{service}.hear"] = _operation(
            "receive", "journal", f"{service} hears {what}", (_name(FACTS[name]) for name in EVENTS)
        )
    found["audit.check"] = _operation("receive", "checkpoints", "Every province reads and countersigns them", ("checkpoint.v1",))
    found["registrar.publish"] = _operation(
        "send", "directory", "The ministry's registrar signs entries", ("directory_entry.v1",)
    )
    found["everyone.look_up"] = _operation("receive", "directory", "Every service follows the directory", ("directory_entry.v1",))
    return dict(sorted(found.items()))


def _operation(action: str, channel: str, summary: str, messages: Any) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in sorted(messages)],
    }
