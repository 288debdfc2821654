"""Which label or colour is which of our classes in files that many people have, by the name that ``--map`` takes."""

PRESETS: dict[str, str] = {
    # TotalSegmentator's tables of classes (task total_mr; 14 is the duodenum, which is none of ours).
    "totalsegmentator-mr": "6=stomach,13=small_bowel,15=large_bowel",
    # TotalSegmentator's task total, for CT alone: in an MR label map 18 is the sacrum.
    "totalsegmentator-ct": "6=stomach,18=small_bowel,20=large_bowel",
    # Masks drawn in the course's colours.
    "uw-madison-course": "#0000ff=stomach,#00ff00=small_bowel,#ff0000=large_bowel",
}
