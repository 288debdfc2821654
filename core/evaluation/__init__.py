"""From predictions to scores: a split or label maps of other tools evaluated, compared, disputed."""
