# Arrays, and images of RNifti and oro.nifti, as volumes. Neither package is needed to install this one.

image_volume <- function(x, affine = NULL, name = "x") {
  other <- inherits(x, c("niftiImage", "internalImage")) || is_oro(x)
  if (other && !is.null(affine)) {
    refuse("affine is for arrays, and ", name, " is an image that has its own")
  }
  if (inherits(x, c("niftiImage", "internalImage"))) {
    return(rnifti_volume(x))
  }
  if (is_oro(x)) {
    return(oro_volume(x))
  }
  if (!is.atomic(x) || is.null(x) || is.character(x) || is.factor(x)) {
    found <- if (is.character(x)) shown(x) else paste("of class", class(x)[[1L]])
    refuse(name, " is ", found, ", wanted a path, a tepp_volume, or an image of RNifti or oro.nifti")
  }
  array_volume(x, affine)
}

# Of a file of 3 axes that has more, of length 1.
three_axes <- function(array) {
  shape <- dim(array)
  if (length(shape) > 3L && all(shape[-(1:3)] == 1L)) {
    dim(array) <- shape[1:3]
  }
  if (length(dim(array)) > 3L) {
    refuse("the image has dim ", paste(shape, collapse = " x "), ": choose one of its volumes")
  }
  array
}

refuse_unoriented <- function() {
  refuse_as(51L, "DEEPTEPP_ERR_NIFTI_ORIENTATION", "the image states no orientation (sform and qform codes are both ",
            "0): give its path and orientation, or its array and affine")
}

millimetres <- function(affine, unit) {
  factor <- if (unit %in% c("m", "1")) 1000 else if (unit %in% c("um", "3")) 0.001 else 1
  affine[1:3, ] <- affine[1:3, ] * factor
  affine
}

# ---- RNifti ----

# Not by `::`, for the package is not in every repository that this one has to be checked against.
rnifti <- function(name) {
  getExportedValue("RNifti", name)
}

rnifti_volume <- function(x) {
  header <- rnifti("niftiHeader")(x)
  if (header$sform_code == 0L && header$qform_code == 0L) {
    refuse_unoriented()
  }
  affine <- matrix(as.double(rnifti("xform")(x, useQuaternionFirst = FALSE)), 4L, 4L)
  unit <- rnifti("pixunits")(x)[1L]
  array_volume(three_axes(plain_array(as.array(x))), millimetres(affine, unit))
}

plain_array <- function(array) {
  shape <- dim(array)
  attributes(array) <- NULL
  dim(array) <- shape
  array
}

# ---- oro.nifti ----

is_oro <- function(x) {
  isS4(x) && inherits(x, "nifti") && methods::.hasSlot(x, "reoriented")
}

oro_volume <- function(x) {
  if (isTRUE(methods::slot(x, "reoriented"))) {
    refuse("the image was reoriented by oro.nifti while its header stayed as it was: read it with ",
           "readNIfTI(..., reorient = FALSE)")
  }
  affine <- if (methods::slot(x, "sform_code") > 0) {
    oro_sform(x)
  } else if (methods::slot(x, "qform_code") > 0) {
    oro_qform(x)
  } else {
    refuse_unoriented()
  }
  unit <- as.character(bitwAnd(as.integer(methods::slot(x, "xyzt_units")), 7L))
  array_volume(three_axes(plain_array(methods::slot(x, ".Data"))), millimetres(affine, unit))
}

oro_sform <- function(x) {
  rbind(methods::slot(x, "srow_x"), methods::slot(x, "srow_y"), methods::slot(x, "srow_z"), c(0, 0, 0, 1))
}

# The NIfTI-1 header's method 2.
oro_qform <- function(x) {
  q <- vapply(c("quatern_b", "quatern_c", "quatern_d"), function(name) methods::slot(x, name), 0)
  a <- sqrt(max(0, 1 - sum(q^2)))
  b <- q[[1L]]
  c <- q[[2L]]
  d <- q[[3L]]
  rotation <- rbind(
    c(a^2 + b^2 - c^2 - d^2, 2 * (b * c - a * d), 2 * (b * d + a * c)),
    c(2 * (b * c + a * d), a^2 + c^2 - b^2 - d^2, 2 * (c * d - a * b)),
    c(2 * (b * d - a * c), 2 * (c * d + a * b), a^2 + d^2 - b^2 - c^2)
  )
  pixdim <- methods::slot(x, "pixdim")
  sizes <- pixdim[2:4] * c(1, 1, if (pixdim[1L] < 0) -1 else 1)
  offset <- vapply(c("qoffset_x", "qoffset_y", "qoffset_z"), function(name) methods::slot(x, name), 0)
  rbind(cbind(rotation %*% diag(sizes), unname(offset)), c(0, 0, 0, 1))
}
