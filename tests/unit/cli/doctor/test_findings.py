"""A cause stands before all that follows from it, and explains it."""

from services.cli.doctor.findings import Finding, Found, Unknown


def wrong(about: str, *because: str, note: bool = False) -> Finding:
    return Finding(about, f"{about} is wrong", "mend it", because, note)


def test_what_follows_from_a_cause_is_told_under_it() -> None:
    found = Found()
    found.add([wrong("kafka")])
    found.add([wrong("44.notification/ready", "kafka"), wrong("outbox 44.notification", "44.notification/ready", "postgres")])

    diagnosis = found.diagnosis()

    [cause] = diagnosis.causes
    assert cause.finding.about == "kafka"
    assert [each.about for each in cause.explains] == ["44.notification/ready", "outbox 44.notification"]
    assert not diagnosis.well


def test_two_things_that_have_nothing_to_do_with_each_other_are_two_causes_in_the_order_of_the_checks() -> None:
    found = Found()
    found.add([wrong("postgres")])
    found.add([wrong("quarantine 33.destination-agency")])

    assert [cause.finding.about for cause in found.diagnosis().causes] == ["postgres", "quarantine 33.destination-agency"]


def test_nothing_explains_itself_or_what_was_found_before_it() -> None:
    found = Found()
    found.add([wrong("a", "b", "a"), wrong("b", "a")])

    [cause] = found.diagnosis().causes

    assert (cause.finding.about, [each.about for each in cause.explains]) == ("a", ["b"])


def test_a_second_fault_of_one_thing_is_told_beside_the_first() -> None:
    found = Found()
    found.add([wrong("topic exchange.33"), wrong("topic exchange.33")])

    [cause] = found.diagnosis().causes

    assert len(cause.explains) == 1


def test_a_note_is_neither_a_cause_nor_an_explanation() -> None:
    found = Found()
    found.add([wrong("calendar", note=True), wrong("deadlines", "calendar")])

    diagnosis = found.diagnosis()

    assert [cause.finding.about for cause in diagnosis.causes] == ["deadlines"]
    assert [note.about for note in diagnosis.notes] == ["calendar"]
    assert not found.wrong_with("calendar")


def test_what_could_not_be_looked_at_counts_unless_a_cause_explains_it() -> None:
    down, alone = Found(), Found()
    down.add([wrong("kafka")])
    for found in (down, alone):
        found.unknown.append(Unknown("kafka topics", "TimeoutError", ("kafka",)))

    assert down.diagnosis().unknown == ()
    assert [each.check for each in alone.diagnosis().unknown] == ["kafka topics"]
    assert not alone.diagnosis().well
    assert Found().diagnosis().well
