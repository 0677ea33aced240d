"""Paralysis, brain and spinal cord injury, and the bone that forms in muscle and around joints after them (heterotopic ossification)."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_mappings import History

from .chart import Chart


def injured_within(chart: Chart, injuries: Iterable[History]) -> bool | None:
    """Whether a brain or spinal cord injury, or a stroke, happened within the last two years; None when one is on record without a date.

    A sequela or a personal history is of an injury whose own date it does not tell, so it does not count.
    """
    past = {record.resource for record in chart.records("neurologic_past")}
    moments = [record.onset or record.recorded for record in injuries if record.resource not in past]
    limit = chart.ago(chart.thresholds.lookback_days["neurologic_injury"])
    if any(moment is not None and moment.at >= limit for moment in moments):
        return True
    return None if any(moment is None or moment.until >= limit for moment in moments) else False


def bone_after_injury(chart: Chart, calcifications: Iterable[History]) -> frozenset[str]:
    """The resources among calcifications that tell of bone formation for certain later than a neurologic injury.

    Bone formation is what is coded as heterotopic ossification, when both it and the injury are dated; and the paralytic calcification and
    ossification of muscle, whose code says that the paralysis came first.
    """
    paralytic = {record.resource for record in chart.records("paralysis")}
    injuries = [moment for record in chart.records("neurologic") if (moment := record.onset or record.recorded) is not None]
    found = set()
    for record in calcifications:
        began = record.onset or record.recorded
        later = began is not None and any(injury.until < began.at for injury in injuries)
        if record.resource in paralytic or (record.category == "heterotopic_ossification" and later):
            found.add(record.resource)
    return frozenset(found)
