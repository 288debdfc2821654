"""Files from elsewhere: the only place that reads NIfTI, DICOM, archives, uploads and label maps of other tools."""
