"""MR series by pydicom and SEGs by highdicom, from arrays with an affine."""

import copy

import nibabel
import numpy as np
import pydicom
from highdicom import AlgorithmIdentificationSequence, seg
from pydicom.dataset import FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

NORMAL = {"PatientID": "P1", "PatientName": "Phantom^One", "PatientBirthDate": "", "PatientSex": "F", "StudyID": "1",
          "StudyDate": "20260101", "StudyTime": "", "AccessionNumber": "", "ReferringPhysicianName": "",
          "SeriesNumber": 1, "SeriesDescription": "phantom", "Modality": "MR", "Manufacturer": "tests",
          "ImageType": ["ORIGINAL", "PRIMARY", "M"], "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
          "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "EchoTime": 2.0}
UIDS = {name: generate_uid(entropy_srcs=[name])
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}


def geometry(affine):
    """Directions and sizes along i, j, k in LPS, and the first voxel's place."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    return lps[:3, :3] / sizes, sizes, lps[:3, 3], lps


def series(voxels, affine, number=0, **attributes):
    """A dataset a slice k; columns run along i, rows along j. number: sets UIDs of phases apart."""
    directions, sizes, _, lps = geometry(affine)
    found = []
    for k in range(voxels.shape[2]):
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        fields = {**NORMAL, **UIDS, **attributes}
        fields |= {"SOPClassUID": MRImageStorage, "SOPInstanceUID": generate_uid(), "InstanceNumber": k + 1,
                   "Rows": voxels.shape[1], "Columns": voxels.shape[0], "SliceThickness": number_text(sizes[2]),
                   "PixelSpacing": [number_text(sizes[1]), number_text(sizes[0])],
                   "ImageOrientationPatient": [number_text(x) for x in directions[:, :2].T.ravel()],
                   "ImagePositionPatient": [number_text(x) for x in (lps @ [0, 0, k, 1])[:3]]}
        for keyword, value in fields.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = np.ascontiguousarray(voxels[:, :, k].T.astype("<i2")).tobytes()
        found.append(dataset)
    return found


def enhanced(images):
    """The same slices as the frames of one enhanced file, each said in its functional groups."""
    whole = pydicom.Dataset()
    first = copy.deepcopy(images[0])
    whole.file_meta = first.file_meta
    for element in first:
        if element.keyword not in PER_FRAME:
            whole.add(element)
    whole.SOPClassUID, whole.NumberOfFrames = EnhancedMRImageStorage, len(images)
    whole.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    whole.PerFrameFunctionalGroupsSequence = [frame_groups(image) for image in images]
    whole.PixelData = b"".join(image.PixelData for image in images)
    return whole


PER_FRAME = {"ImagePositionPatient": "PlanePositionSequence", "ImageOrientationPatient": "PlaneOrientationSequence",
             "PixelSpacing": "PixelMeasuresSequence", "SliceThickness": "PixelMeasuresSequence",
             "RescaleSlope": "PixelValueTransformationSequence",
             "RescaleIntercept": "PixelValueTransformationSequence", "ImageType": "MRImageFrameTypeSequence",
             "EchoTime": "MREchoSequence", "TemporalPositionIdentifier": "FrameContentSequence"}
IN_GROUP = {"ImageType": "FrameType", "EchoTime": "EffectiveEchoTime",
            "TemporalPositionIdentifier": "TemporalPositionIndex"}


def frame_groups(image):
    groups = pydicom.Dataset()
    for keyword, name in PER_FRAME.items():
        if keyword in image:
            if name not in groups:
                setattr(groups, name, [pydicom.Dataset()])
            setattr(groups[name][0], IN_GROUP.get(keyword, keyword), image[keyword].value)
    return groups


def number_text(value):
    return pydicom.valuerep.format_number_as_ds(float(value))


def segmentation(images, mask, labels=("tumour",), kind="BINARY"):
    """A SEG of a segment a label, numbered from 1 as in the mask (or along its fourth axis); frames without a voxel are
    left out. images: in the order of the mask's slices."""
    algorithm = AlgorithmIdentificationSequence("tests", codes.DCM.ArtificialIntelligence, "1")
    segments = [seg.SegmentDescription(i + 1, label, codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion,
                                       "AUTOMATIC", algorithm)
                for i, label in enumerate(labels)]
    frames = np.ascontiguousarray(mask.transpose(2, 1, 0, *range(3, mask.ndim)))
    return seg.Segmentation(images, frames, kind, segments, generate_uid(), 2, generate_uid(), 1, "tests", "tests", "1",
                            "1")


def write(datasets, folder):
    """Files in another order than the slices'."""
    folder.mkdir(exist_ok=True)
    for i, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{i * 37 % 997:03d}.dcm", enforce_file_format=True)
    return folder


AXIAL = np.diag([-2.0, -2.0, 3.0, 1.0])
SAGITTAL = np.array([[0, 0, 3.0, 5], [-2, 0, 0, 7], [0, -2, 0, 9], [0, 0, 0, 1.0]])
TURN = nibabel.eulerangles.euler2mat(0.3, -0.2, 0.1)
OBLIQUE = nibabel.affines.from_matvec(TURN @ np.diag([-2.0, -1.5, 3.0]), [11.5, -20.25, 3])


def small(affine=AXIAL, shape=(8, 6, 5), **attributes):
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
    return series(voxels, affine, **attributes), voxels


def in_ras(volume):
    """The voxels by place, whatever way the axes of a Volume run."""
    return volume.to_ras()[0]
