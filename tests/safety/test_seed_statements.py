"""Every statement of the seed document S01-S20, each on at least one card that a chart really gets."""

from __future__ import annotations

from typing import Any

from ..builders import ask, topics

NORMAL = "labs 2 d ago: calcium 9.4 mg/dL, phosphate 3.5 mg/dL, albumin 4.2 g/dL, creatinine 0.8 mg/dL"


def chart(history: str, *more: str, labs: str = NORMAL, age: str = "age: 44 female", orders: str = "pth") -> str:
    return "\n".join([age, f"history: {history}", labs, f"orders: {orders}", *more])


def said(given: str, pitfall: str) -> str:
    """Summary and detail of one pitfall's card, in lower case; it must be shown."""
    answer = ask(given)
    card: dict[str, Any] | None = next((card for card in answer.cards if card["source"]["topic"]["code"] == pitfall), None)
    assert card is not None, f"{pitfall} is not among {topics(answer)}"
    return f"{card['summary']}\n{card['detail']}".lower()


LOW_YIELD = "extended-metabolic-workup-low-yield"
MASSETER = "calcification_skin at masseter, trauma 22 y ago"


def test_S01_calcium_salts_in_damaged_tissue_despite_normal_minerals() -> None:
    assert "calcium salts in damaged tissue despite normal calcium and phosphate" in said(chart(MASSETER), LOW_YIELD)


def test_S02_a_local_injury_is_enough_and_no_systemic_imbalance_is_needed() -> None:
    text = said(chart(MASSETER), LOW_YIELD)
    assert "known local setting for dystrophic calcification" in text
    assert "normal" in text.splitlines()[0]


def test_S03_metastatic_calcification_comes_with_high_calcium_or_phosphate() -> None:
    high = NORMAL.replace("9.4", "10.9")
    assert "metastatic calcification comes with high levels" in said(chart(MASSETER, labs=high, orders="ct"), "hypercalcaemia-is-not-dystrophic")
    product = NORMAL.replace("9.4", "10.2").replace("3.5", "7.2")
    assert "metastatic pattern possible" in said(chart("calcification_skin, ckd_g4", labs=product, orders="ct"), "high-ca-p-product")


def test_S04_mechanical_trauma_as_at_the_masseter_and_the_floor_of_the_mouth() -> None:
    for site in ("masseter", "floor_of_mouth"):
        text = said(chart(f"calcification_skin at {site}, trauma at {site} 22 y ago"), LOW_YIELD)
        assert "prior trauma" in text and "masseter or floor of mouth after injury" in text


def test_S05_surgery_and_tracheostomy() -> None:
    assert "prior surgery" in said(chart("calcification_skin at neck, surgery 3 y ago"), LOW_YIELD)
    text = said(chart("calcification_skin at neck, tracheostomy 3 y ago"), LOW_YIELD)
    assert "prior tracheostomy" in text and "neck after tracheostomy" in text


def test_S06_chronic_inflammation() -> None:
    assert "chronic inflammation" in said(chart("calcification_skin, inflammation 3 y ago"), LOW_YIELD)


def test_S07_infection() -> None:
    assert "prior infection" in said(chart("calcification_skin, infection 3 y ago"), LOW_YIELD)


def test_S08_connective_tissue_disease() -> None:
    text = said(chart("calcification_skin, connective_tissue_disease 3 y ago"), "connective-tissue-disease-calcinosis")
    for word in ("scleroderma", "dermatomyositis", "lupus", "with normal minerals"):
        assert word in text


def test_S09_vascular_insufficiency() -> None:
    text = said(
        chart("calcification_skin at lower_leg, vascular_insufficiency 6 y ago", age="age: 72 female"), "vascular-insufficiency-local-calcification"
    )
    assert "long-standing ischaemia or venous stasis damages tissue" in text


def test_S10_neurologic_disorders() -> None:
    labs = f"{NORMAL}, alp 210 U/L".replace("creatinine 0.8", "creatinine 0.6")
    text = said(chart("heterotopic_ossification at hip 10 d ago, spinal_cord_injury 60 d ago", labs=labs), "neurologic-heterotopic-ossification")
    assert "heterotopic ossification after neurologic injury is local" in text


def test_S11_tumours_of_skin_and_soft_tissue_degenerate_and_calcify() -> None:
    text = said(chart("calcification_skin at knee, soft_tissue_mass", orders="excision"), "calcified-mass-not-presumed-benign")
    assert "benign skin and soft-tissue tumours calcify as they degenerate" in text


INFANT = chart("calcification_intracranial", labs="labs 1 d ago: calcium 9.4 mg/dL", age="age in days: 9 female")


def test_S12_brain_calcification_marks_fetal_brain_injury_and_congenital_cmv_leads() -> None:
    text = said(INFANT, "fetal-brain-calcification-cmv-col4a")
    assert "injury of the fetal brain" in text and "congenital cmv is the leading infectious cause" in text
    assert "12-30" not in text.splitlines()[0]


def test_S13_col4a1_and_col4a2_mimic_congenital_infection() -> None:
    text = said(INFANT, "fetal-brain-calcification-cmv-col4a")
    assert "col4a1/col4a2 and other pseudo-torch genes" in text


def test_S14_vascular_calcification_of_kidney_disease_is_distinct() -> None:
    text = said(chart("calcification_vascular, ckd_g3b", labs=NORMAL.replace("0.8", "1.9")), "ckd-vascular-calcification-distinct")
    assert "vascular calcification here is a mineral-bone process, not dystrophic" in text


def test_S15_phosphate_makes_vessel_walls_form_bone_proteins_even_in_normal_tissue() -> None:
    text = said(chart("calcification_vascular, ckd_g3b", labs=NORMAL.replace("0.8", "1.9")), "ckd-vascular-calcification-distinct")
    assert "phosphate drives vessel-wall smooth-muscle cells to make bone proteins" in text and "previously **normal** arteries" in text


def test_S16_normal_calcium_and_phosphate_are_the_hallmark() -> None:
    assert "expected with normal calcium and phosphate" in said(
        chart(MASSETER, labs=NORMAL.replace("9.4", "10.9"), orders="ct"), "hypercalcaemia-is-not-dystrophic"
    )
    assert "ca 9.4" in said(chart(MASSETER), LOW_YIELD).splitlines()[0]


def test_S17_normal_results_and_imaging_in_the_injured_area_support_it() -> None:
    text = said(chart(MASSETER), LOW_YIELD)
    assert "imaging that shows the calcification inside the injured area" in text
    assert "supports" in text and "does not prove it" in text


def test_S18_the_error_is_to_take_every_calcification_for_a_systemic_disease() -> None:
    assert "further metabolic tests may add little" in said(chart(MASSETER), LOW_YIELD)
    drug = said(chart(MASSETER, orders="rx-binder-nonca"), "metabolic-drug-without-metabolic-disease")
    assert "treating presumed metabolic disease when the cause is local damage" in drug


def test_S19_a_thorough_history_with_laboratory_results() -> None:
    text = said(chart("calcification_skin"), "local-cause-history-missing")
    for word in ("injury", "infection", "chronic inflammation", "before more tests, ask"):
        assert word in text
    assert "history of injury, infection or inflammation" in said(
        chart("calcification_skin", labs="labs 2 d ago: calcium 9.4 mg/dL"), "baseline-panel-incomplete-or-stale"
    )


def test_S20_treating_a_presumed_metabolic_disease_does_harm() -> None:
    text = said(chart(MASSETER, orders="calcitriol"), "metabolic-drug-without-metabolic-disease")
    assert "can cause hypophosphataemia, hypocalcaemia or hypercalcaemia" in text
