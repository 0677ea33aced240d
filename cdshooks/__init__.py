"""CDS Hooks service for the metabolic workup of soft-tissue calcification: clinical facts in, cards out."""
