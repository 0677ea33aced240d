"""Mutants that no chart can tell from the original, each with the reason: guards for the type checker, and locks behind a lock of the same item.

A mutant is named by the start and the end of its name.
"""

from __future__ import annotations

GUARD = "a guard: what it excludes cannot reach this line"
ALP = "a guard for the type checker: every ALP of an adult has limits, its own or the fallback's"
MOMENT = "days carry no hour, so this equality is one of microseconds"
NO_CODE = "no verified code exists for this category: it is unreachable until a site adds one"

ARGUED: dict[tuple[str, str], str] = {
    ("checklist._disturbed: phosphate is not None", "without phosphate is not None"): GUARD,
    ("checklist._alp_mildly_high: lab.limits.high", "always True"): ALP,
    ("checklist._alp_mildly_high: high is not None", "without high is not None"): ALP,
    ("checklist._alp: lab.limits.high", "always True"): ALP,
    ("checklist._alp: high is not None", "without high is not None"): ALP,
    ("checklist._recent_abnormal: known.until >= limit", "the equal sign of part 1 moved"): MOMENT,
    ("calcium._unusual_share: ionised.value / in_mmol", "always True"): "a guard: a calcium of zero is not plausible",
    ("calcium._the_adjusted: computed is None", "without total is None"): "a guard for the type checker: without a total nothing is computed",
    ("calcium._the_adjusted: reported.when.at", "the equal sign of part 1 moved"): "values of one moment are a pair, and the line before takes them",
    ("kidney.proven_normal: cystatin is not None", "without cystatin.value >= chart.thresholds.egfr['reassure_min']"): (
        "a second lock: a cystatin C eGFR below 60 is the lowest eGFR, and closes the item before"
    ),
    (
        "kidney._lowest: creatinine is not None and may_compute",
        "without may_compute",
    ): "two locks: in pregnancy neither this nor the current eGFR is computed",
    (
        "kidney._lowest: known and current is not None",
        "without current is not None",
    ): "two locks: in pregnancy neither this nor the lowest eGFR is computed",
    (
        "kidney._acute: other.when.at < lab.when.at",
        "the equal sign of part 1 moved",
    ): "values of one moment that differ by 0.3 mg/dL contradict each other",
    ("kidney.CODED_STAGE", "without ckd_g1"): "CKD G1 by itself does not close the gate; it is told on cards",
    ("kidney.CODED_STAGE", "without ckd_g2"): "CKD G2 by itself does not close the gate; it is told on cards",
    ("kidney.LOW_MUSCLE", "without amputation"): NO_CODE,
    ("scope.skin_sign", "without 'calciphylaxis'"): NO_CODE,
    ("scope.shift: began.until >= since", "the equal sign of part 1 moved"): MOMENT,
    ("scope.critically_ill: began.until >= limit", "the equal sign of part 1 moved"): MOMENT,
    ("scope.pregnant: began.until >= limit", "the equal sign of part 1 moved"): MOMENT,
    ("chart.near_limit: limits is None", ""): "guards for the type checker: every caller asks first whether the value is in range",
    ("chart.Chart._doubted: newest is None", "without newest is None"): GUARD,
    ("chart.BLOCKING", "without before-birth"): "results before the birth are older than any other",
    ("chart.BLOCKING", "without no-subject"): "a second lock: a resource of nobody makes the data incomplete",
    ("arbitration._dominated_by: other is result", "without other is result"): "a guard: no pitfall names itself (`cdshooks check`)",
    ("arbitration._within_budget: info and infos", "without info"): "info cards come last, so nothing stands behind one",
}


def argued(name: str) -> str:
    """Why a mutant may survive; '' if nothing says so."""
    return next((why for (start, end), why in ARGUED.items() if name.startswith(start) and name.endswith(end)), "")
