"""A risk score and a tier from a breast MR and its tumour mask.

    model = deeptepp.open_model("model.safetensors")
    result = model.score("image.nii.gz", "mask.nii.gz")
    print(result)

RESEARCH USE ONLY. Not a medical device. The published model was not prospectively validated, and its weights and
cut-points were never published: a score means only what the model file's own training cohort makes it mean.
"""

from . import errors
from ._arrays import IdentityAffineWarning
from ._calls import text
from ._cases import ImageLike, Images
from ._native import lib
from ._table import Cohort, read_cohort
from .cohort import merge_scores, score_case, score_cohort, write_scores
from .errors import DeepteppError
from .model import Covariate, Model, SelfTest, open_model, precision_available
from .score import MaskPart, Score, ScoredMask, ScoreWarning, Survival, UsedCovariate
from .volume import Volume

__all__ = ["Cohort", "Covariate", "DeepteppError", "IdentityAffineWarning", "ImageLike", "Images", "MaskPart", "Model",
           "Score", "ScoreWarning", "ScoredMask", "SelfTest", "Survival", "UsedCovariate", "Volume", "errors",
           "merge_scores", "open_model", "precision_available", "read_cohort", "score_case", "score_cohort",
           "write_scores"]

__version__ = text(lib.deeptepp_version())

# Pickles and messages name what users name, whichever file it stands in.
for _public in (Cohort, Covariate, IdentityAffineWarning, MaskPart, Model, Score, ScoreWarning, ScoredMask, SelfTest,
                Survival, UsedCovariate, Volume, merge_scores, open_model, precision_available, read_cohort, score_case,
                score_cohort, write_scores):
    _public.__module__ = __name__
del _public
