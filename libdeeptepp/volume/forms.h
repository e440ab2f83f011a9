/* Where a file's voxels are: which of its header's two forms counts, and whether pixdim agrees. */
#ifndef DTP_FORMS_H
#define DTP_FORMS_H

#include "nifti.h"

/* Sets the draft's affine and all that its warnings need; its dims are set. The sform counts if it is usable: finite,
 * of thinkable lengths, invertible. A sform that is sheared is usable, and refused. axes: three letters for a file
 * without a form, or "". Errors: NIFTI_ORIENTATION, NIFTI_PIXDIM, VOLUME_AFFINE, VOLUME_SHEAR, VOLUME_SPACING. */
deeptepp_status dtp_forms_choose(deeptepp_volume *draft, const dtp_nifti *h, const char axes[4], deeptepp_error *error);

#endif
