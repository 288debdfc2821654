"""Files for elsewhere: the only place that writes NIfTI, DICOM and the formats of other tools; readers read them back."""
