"""Which cards speak when several dangers meet and there is no room for all: no danger waits on a card that is itself kept back."""

from __future__ import annotations

import pytest

from ..builders import ask, topics

CRITICAL, HIGH, LOW = "critical-calcium-value", "hypercalcaemia-is-not-dystrophic", "hypocalcaemia-with-calcification"
PHOSPHATE, ARTEFACT, PRODUCT = "hyperphosphataemia-is-not-dystrophic", "phosphate-artefact-or-shift", "high-ca-p-product"
CALCIPHYLAXIS, HAZARD, MASS = "calciphylaxis-normal-labs", "mineral-drug-hazard", "calcified-mass-not-presumed-benign"
UNUSABLE = "value-not-usable"
NECROSIS = (
    "age: 61 male\nhistory: calcification_skin, dialysis, skin_necrosis at thigh\n"
    "labs 1 d ago: calcium 14.2 mg/dL, albumin 4.0 g/dL, phosphate 7.9 mg/dL\norders: calcitriol, warfarin"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(NECROSIS, [CRITICAL, CALCIPHYLAXIS], id="two places: the card that offers to remove the drugs, not the product"),
        pytest.param(f"hook: order-sign\n{NECROSIS}", [CRITICAL, CALCIPHYLAXIS, HAZARD], id="three places: both cards on the drugs"),
        pytest.param(
            "age: 61 male\nhistory: calcification_skin, dialysis\n"
            "labs 1 d ago: calcium 14.2 mg/dL, albumin 4.0 g/dL, phosphate 7.9 mg/dL\norders: calcitriol",
            [CRITICAL, HAZARD],
            id="two places, no lesion: the hazard",
        ),
        pytest.param(
            "age: 50 female\nhistory: calcification_intracranial, surgery 10 y ago\n"
            "labs: calcium 6.9 mg/dL, albumin 4.0 g/dL, phosphate 6.5 mg/dL, creatinine 0.8 mg/dL\norders: ct",
            [CRITICAL, LOW],
            id="low calcium with high phosphate: one card for both",
        ),
        pytest.param(
            "age: 54 female\nhistory: calcification_skin\ndrugs: 41144 given 8 h ago\n"
            "labs 2 h ago: calcium 7.9 mg/dL, albumin 4.0 g/dL, creatinine 0.8 mg/dL, phosphate 4.2 no-unit\norders: pth",
            [LOW, UNUSABLE],
            id="the card on contrast has no place, so low calcium speaks",
        ),
        pytest.param(
            "age: 54 female\nhistory: calcification_skin, mgus\n"
            "labs: calcium 9.6 mg/dL, albumin 4.0 no-unit, creatinine 0.8 mg/dL, phosphate 8.2 mg/dL\norders: pth",
            [PHOSPHATE, UNUSABLE],
            id="the card on an artefact has no place, so high phosphate speaks",
        ),
        pytest.param(
            "age: 54 female\nhook: order-sign\nhistory: calcification_skin, mgus\n"
            "labs: calcium 10.0 mg/dL, albumin 4.0 g/dL, creatinine 0.8 mg/dL, phosphate 8.2 mg/dL\norders: calcitriol",
            [ARTEFACT],
            id="a phosphate in doubt is not passed over on signing calcitriol",
        ),
        pytest.param(
            "age: 54 female\nhistory: calcification_skin\nlabs: calcium 10.0 mg/dL, albumin 1.5 g/dL\norders: pth",
            [HIGH],
            id="a calcium that may be high goes before an incomplete baseline",
        ),
        pytest.param(
            "age: 66 male\nhistory: calcification_muscle at thigh, soft_tissue_mass at thigh\n"
            "labs: calcium 11.8 mg/dL, albumin 4.2 g/dL\norders: excision",
            [MASS, HIGH],
            id="excision of an unimaged mass, and a high calcium, go before an incomplete baseline",
        ),
        pytest.param(
            "age: 54 female\nhistory: calcification_skin, soft_tissue_mass\nlabs: calcium 3.6 no-unit, albumin 4.0 g/dL\norders: excision",
            [MASS, UNUSABLE],
            id="a calcium that may be critical goes before an incomplete baseline",
        ),
    ],
)
def test_the_cards_that_speak_together(given: str, expected: list[str]) -> None:
    assert topics(ask(given)) == expected


def test_the_product_speaks_beside_the_hazard_where_there_is_room() -> None:
    given = "age: 52 female\nhistory: calcification_skin\nlabs: calcium 10.0 mg/dL, albumin 4.0 g/dL, phosphate 7.2 mg/dL\norders: calcitriol"
    assert topics(ask(given)) == [PRODUCT, HAZARD]
