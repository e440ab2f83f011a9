# A 3-D image or mask with its geometry.

KINDS <- c(model = 0L, session = 1L, volume = 2L)

# The external pointer, if it is an open one of this package's of that kind.
pointer_of <- function(pointer, kind) {
  state <- .Call(C_handle_state, pointer, KINDS[[kind]])
  if (state == 2L) {
    refuse("the ", kind, " is none of this package's")
  }
  if (state == 1L) {
    refuse("the ", kind, " is closed, or was restored from a file or another process: open it again")
  }
  pointer
}

#' A volume: an image or a mask with its geometry
#'
#' [tepp_score()] takes paths, arrays in a volume and images of RNifti and oro.nifti alike. A volume that is opened here
#' is read once and can be used for several calls.
#'
#' **Arrays.** Voxel `x[i, j, k]`, counted from 1 as R does, lies at `affine %*% c(i - 1, j - 1, k - 1, 1)`, in
#' millimetres to the patient's right, anterior and superior (RAS). No order of axes is guessed: an array without an
#' affine is refused. Double, integer and logical arrays are used where they lie, without a copy; changing the array
#' afterwards makes R copy it, so the volume stays as it was. `NA` is an error.
#'
#' **RNifti** images are taken with their sform, where they have one, as the library takes files (RNifti itself prefers
#' the qform). Images of **oro.nifti** must be read with `readNIfTI(..., reorient = FALSE)`: else voxels and header do
#' not belong together any more.
#'
#' @param x A path of a NIfTI file (`.nii`, `.nii.gz`); an array of 3 axes (double, integer or logical); an image of
#'   RNifti (`niftiImage`) or oro.nifti (`nifti`).
#' @param affine Of an array: a 4 x 4 matrix from voxel indices, counted from 0, to RAS millimetres.
#' @param volume Of a file: which of its volumes, from 1. `NULL`: it must hold exactly one.
#' @param orientation For a file that states none: where its axes run to, such as `"LPS"`. Not used for one that does.
#' @param max_bytes Of a file: a volume of more bytes is refused. `NULL`: 2 GiB.
#' @param max_edge Of a file: more voxels along an axis are refused. `NULL`: 2048.
#' @param progress `TRUE` for progressr, or a function that gets the fraction that is done, 0 to 1.
#' @return A `tepp_volume`: a list of `dim` (voxels along i, j, k), `spacing` (their sizes in mm), `affine`,
#'   `orientation` (where i, j, k run to, such as `"LPS"`), `number` (which volume of its file), `sha256` (of the file's
#'   bytes, or of an array's type, dims, affine and voxels) and `pointer`. It holds memory until `close()` or until R
#'   drops it, and does not outlive its process: save its path or its array instead.
#' @seealso [deeptepp-conditions] for the errors.
#' @examples
#' image <- array(0, c(4, 5, 6))
#' image[2, 3, 4] <- 1
#' volume <- tepp_volume(image, affine = diag(c(2, 2, 3, 1)))
#' volume
#' volume$spacing
#' close(volume)
#' @export
tepp_volume <- function(x, affine = NULL, volume = NULL, orientation = NULL, max_bytes = NULL, max_edge = NULL,
                        progress = NULL) {
  if (is_path(x)) {
    if (!is.null(affine)) {
      refuse("affine is for arrays, and x is a path: the file states its own")
    }
    return(open_volume(x, volume, orientation, max_bytes, max_edge, progress_of(progress)))
  }
  if (!is.null(volume) || !is.null(orientation) || !is.null(max_bytes) || !is.null(max_edge)) {
    refuse("volume, orientation, max_bytes and max_edge are for files, and x is none")
  }
  image_volume(x, affine)
}

open_volume <- function(path, volume = NULL, orientation = NULL, max_bytes = NULL, max_edge = NULL, progress = NULL) {
  number <- whole(volume, "volume", 2^31 - 1)
  limits <- c(whole(max_bytes, "max_bytes", 2^53), whole(max_edge, "max_edge", 2^31 - 1))
  orientation <- text_or_null(orientation, "orientation")
  new_volume(checked(.Call(C_volume_open, path_of(path, "the path"), number, orientation, limits, progress)))
}

array_volume <- function(array, affine) {
  array <- voxels_of(array)
  new_volume(checked(.Call(C_volume_array, array, affine_of(affine))))
}

new_volume <- function(pointer) {
  structure(c(list(pointer = pointer), .Call(C_volume_facts, pointer)), class = "tepp_volume")
}

voxels_of <- function(array) {
  if (!is.double(array) && !is.integer(array) && !is.logical(array) || inherits(array, c("factor", "integer64"))) {
    found <- if (is.object(array)) paste("class", class(array)[[1L]]) else paste("type", typeof(array))
    refuse("the array is of ", found, ", wanted double, integer or logical")
  }
  if (length(dim(array)) != 3L) {
    found <- if (is.null(dim(array))) "no dim" else paste("dim", paste(dim(array), collapse = " x "))
    refuse("the array has ", found, ", wanted 3 axes in the order of the affine's columns (drop = FALSE keeps them)")
  }
  refuse_na(array)
  array
}

# R's NA is NaN in a double array and -2^31 in the others: only R can tell.
refuse_na <- function(array) {
  if (!anyNA(array)) {
    return(invisible())
  }
  missing <- is.na(array) & !is.nan(array)
  if (!any(missing)) {
    return(invisible())
  }
  first <- arrayInd(which(missing)[1L], dim(array))
  refuse_as(66L, "DEEPTEPP_ERR_VOLUME_NONFINITE", sprintf("the array has NA in %d of its voxels, the first at ",
    sum(missing)), "[", paste(first, collapse = ", "), "]: wanted a number in each; say what stands there")
}

affine_of <- function(affine) {
  if (is.null(affine)) {
    refuse("affine is missing: an array does not say where its voxels lie; wanted tepp_volume(array, affine = ...) ",
           "with a 4 x 4 matrix to RAS millimetres")
  }
  if (!is.numeric(affine) || !identical(dim(affine), c(4L, 4L))) {
    refuse("affine is ", shown(affine), ", wanted a 4 x 4 matrix of numbers")
  }
  if (all(!is.na(affine)) && all(affine == diag(4))) {
    warning("affine is the identity: voxels of 1 mm in RAS order; give the image's own if it has one", call. = FALSE)
  }
  matrix(as.double(affine), 4L, 4L)
}

#' @rdname tepp_volume
#' @param con A `tepp_volume`.
#' @param ... Not used.
#' @export
close.tepp_volume <- function(con, ...) {
  pointer <- unclass(con)$pointer
  if (.Call(C_handle_state, pointer, KINDS[["volume"]]) == 0L) {
    .Call(C_close, pointer)
  }
  invisible()
}

#' @export
print.tepp_volume <- function(x, ...) {
  open <- .Call(C_handle_state, x$pointer, KINDS[["volume"]]) == 0L
  cat(sprintf("<tepp_volume %s, %s mm, %s%s>\n", paste(x$dim, collapse = " x "),
              paste(format_each(x$spacing), collapse = " x "), x$orientation, if (open) "" else ", closed"))
  invisible(x)
}

format_each <- function(values) {
  vapply(values, format, "", digits = 4L)
}

#' How many volumes a NIfTI file holds
#'
#' Only its header is read.
#'
#' @param path Of a NIfTI file.
#' @return A whole number.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' tepp_volume_count(example_files(tempfile())$image)
#' @export
tepp_volume_count <- function(path) {
  checked(.Call(C_volume_count, path_of(path, "path")))
}

#' A volume's voxels in the patient's order
#'
#' @param volume A [tepp_volume()].
#' @return A list of `voxels`, a double array of the scaled values whose axes run nearest to the patient's right,
#'   anterior and superior, and `spacing`, their sizes in mm in that order.
#' @examples
#' volume <- tepp_volume(array(1:24, 2:4), affine = diag(c(-1, 2, 3, 1)))
#' str(tepp_ras(volume))
#' @export
tepp_ras <- function(volume) {
  if (!inherits(volume, "tepp_volume")) {
    refuse("volume is of class ", class(volume)[[1L]], ", wanted a tepp_volume")
  }
  checked(.Call(C_volume_ras, pointer_of(volume$pointer, "volume")))
}
