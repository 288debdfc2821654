"""What a case, a mask, a score, a run and a review are; knows no user interface and no trainer."""
