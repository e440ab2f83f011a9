"""DICOM: an MR series and its SEG in, a structured report (TID 1500) out. The extra deeptepp[dicom].

    series = dicom.read_series("folder/of/the/series")
    segmentation = dicom.read_segmentation("segmentation.dcm", series)
    result = model.score(series.image, segmentation.mask, label=segmentation.label)
    dicom.write_report("report.dcm", result, series, segmentation)

Research use only. Importing this module imports pydicom and highdicom.
"""

try:
    import highdicom as _highdicom
    import pydicom as _pydicom
except ImportError as error:
    raise ImportError(f"deeptepp.dicom needs pydicom and highdicom ({error}): pip install 'deeptepp[dicom]'") from error

from ._files import DicomError, Source
from ._report import write_report
from ._segmentation import Segment, Segmentation, read_segmentation
from ._series import Series, read_series

__all__ = ["DicomError", "Segment", "Segmentation", "Series", "Source", "read_segmentation", "read_series",
           "write_report"]

for _public in (DicomError, Segment, Segmentation, Series, read_segmentation, read_series, write_report):
    _public.__module__ = __name__
del _public
