# Scoring a case.

MASK_GRIDS <- c(same = 0, image = 1, nearest = 2)

# How far a score's progress is when its volumes are read, and when it has a session.
READ <- 0.2
READY <- 0.3

#' Scores a case
#'
#' @param model A [tepp_open()] model.
#' @param image A path, a [tepp_volume()], or an image of RNifti or oro.nifti. Of a model with several channels a list
#'   (or, of paths, a character vector) of these by the channels' names: `list(pre = "p0.nii.gz", post = "p1.nii.gz")`.
#'   An array goes through [tepp_volume()], with its affine.
#' @param mask The tumour's mask: likewise.
#' @param label The mask's value that marks the tumour, a whole number above 0. `NULL`: its only value other than 0.
#' @param covariates By name, in the model's units: `c(age = 52)`. `NA` is a missing one; unknown names are refused.
#' @param largest_part `TRUE`: of several parts that do not touch the largest alone is the tumour.
#' @param mask_grid How the mask lies to the image. `"same"`: on its grid, or the case is refused; `"image"`: its voxels
#'   are the image's, whatever its geometry says; `"nearest"`: elsewhere, and it is put onto the image's grid.
#' @param orientation For files that do not say where their axes run to, such as `"LPS"`.
#' @param progress `TRUE` for progressr, or a function that gets the fraction that is done, 0 to 1. An error of the
#'   function ends the call.
#' @return A `tepp_score`: a list of plain values, which lives on without the model. What is not there is `NA`.
#'   * `score`: unit and range are the model's
#'   * `score_sd`: standard deviation over the rotated views: how much the angle matters, not an uncertainty of the
#'     score
#'   * `view_scores`, `member_scores`
#'   * `tier`: from 0 for the lowest; `tier_name`; `cutpoint_distance`: score minus the nearest cut-point
#'   * `survival`: a data frame of `time` and `probability`, where the model is calibrated
#'   * `covariates`: a data frame of `name`, `unit`, `value`, `filled` (the model's substitute for a missing one) and
#'     `term`
#'   * `mask`: the mask that was scored: `label`, `voxels`, `part_count`, `parts` (a data frame of `voxels` and
#'     `distance` from the largest, in mm), the box's `low` and `high` voxel along i, j, k, counted from 1, `rounding`,
#'     the `share` of the tumour that the network's region holds, and `view_shares`
#'   * `guidance`: what the paper proposes for the tier, with its evidence. Research use only
#'   * `warnings`: a data frame of `code`, `name` and `message`
#'   * `json`: all of it and the provenance
#'   * `precision`: `"f32"` or `"bf16"`, what it was computed in; `"f32"` of a model in `"bf16"`: near a cut-point
#'   * `tiers`, `cutpoints`: the model's
#' @seealso [print.tepp_score()], [plot.tepp_score()], [deeptepp-conditions] for the errors.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' model <- tepp_open(files$model, threads = 1)
#' found <- tepp_score(model, files$image, files$mask)
#' found
#' found$warnings$name
#' @export
tepp_score <- function(model, image, mask, label = NULL, covariates = NULL, largest_part = FALSE, mask_grid = "same",
                       orientation = NULL, progress = NULL) {
  progress <- progress_of(progress)
  options <- mask_options(label, largest_part, mask_grid)
  covariates <- covariates_of(covariates)
  core <- core_of(model)
  case <- read_case(core, image, mask, orientation, progress)
  found <- checked(channels = case$channels, with_session(core, progress, READ, READY, function(session) {
    .Call(C_score, session, case$images, case$mask, options, covariates, part(progress, READY, 1))
  }))
  new_score(found, core$facts)
}

#' The network's input for a case
#'
#' @inheritParams tepp_score
#' @return A double array of the model's `input_shape`: views, channels, depth, height, width. Its values are float32.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' files <- example_files(tempfile())
#' dim(tepp_preprocess(tepp_open(files$model, threads = 1), files$image, files$mask))
#' @export
tepp_preprocess <- function(model, image, mask, label = NULL, largest_part = FALSE, mask_grid = "same",
                            orientation = NULL, progress = NULL) {
  progress <- progress_of(progress)
  options <- mask_options(label, largest_part, mask_grid)
  core <- core_of(model)
  case <- read_case(core, image, mask, orientation, progress)
  found <- checked(channels = case$channels, with_session(core, progress, READ, READY, function(session) {
    .Call(C_preprocess, session, case$images, case$mask, options, core$facts$input_shape, part(progress, READY, 1))
  }))
  aperm(found, 5:1)
}

#' Does this machine give the score the model file says it must?
#'
#' @inheritParams tepp_score
#' @return A named vector of `expected` and `found`, both in `"f32"` whatever the model's precision. If they differ by
#'   more than the file allows: an error of class `deeptepp_model_self_test`; without a self-test in the file:
#'   `deeptepp_model_no_self_test`.
#' @examples
#' source(system.file("example", "files.R", package = "deeptepp"))
#' model <- tepp_open(example_files(tempfile())$model, threads = 1)
#' tryCatch(tepp_self_test(model), deeptepp_model_no_self_test = conditionMessage)
#' @export
tepp_self_test <- function(model, progress = NULL) {
  progress <- progress_of(progress)
  core <- core_of(model)
  found <- checked(with_session(core, progress, 0, READY, function(session) {
    .Call(C_self_test, session, part(progress, READY, 1))
  }))
  setNames(found, c("expected", "found"))
}

# label (0: the only one), largest_part, grid: as src/score.c reads them.
mask_options <- function(label, largest_part, mask_grid) {
  if (!is.character(mask_grid) || length(mask_grid) != 1L || !mask_grid %in% names(MASK_GRIDS)) {
    refuse("mask_grid is ", shown(mask_grid), ", wanted one of \"same\", \"image\", \"nearest\"")
  }
  c(whole(label, "label", 2^53), flag(largest_part, "largest_part"), MASK_GRIDS[[mask_grid]])
}

# The case's volumes as pointers, and its channels' names; reading them takes progress from 0 to READ.
read_case <- function(core, image, mask, orientation, progress) {
  images <- by_channel(image, core$facts$channels)
  given <- c(images$given, list(mask))
  names <- c(images$channels, "mask")
  if (!is.null(text_or_null(orientation, "orientation")) && !any(vapply(given, is_path, TRUE))) {
    refuse("orientation is for files, and none of the volumes is given by its path")
  }
  volumes <- lapply(seq_along(given), function(i) {
    step <- part(progress, READ * (i - 1) / length(given), READ * i / length(given))
    read_volume(given[[i]], names[[i]], orientation, step)$pointer
  })
  count <- length(images$given)
  pointers <- volumes[seq_len(count)]
  if (images$named) {
    names(pointers) <- images$channels
  }
  list(images = pointers, mask = volumes[[count + 1L]], channels = images$channels)
}

by_channel <- function(image, channels) {
  bare <- (is.character(image) || is.list(image)) && !is.object(image) && is.null(dim(image))
  if (!bare || (is.null(names(image)) && length(image) == 1L)) {
    if (bare) image <- image[[1L]]
    return(list(given = list(image), channels = if (length(channels) == 1L) channels else "image", named = FALSE))
  }
  if (length(image) == 0L || is.null(names(image)) || anyNA(names(image)) || !all(nzchar(names(image)))) {
    refuse("image has ", length(image), " elements, not all of them with a name, wanted one a channel by its name: ",
           paste(channels, collapse = ", "))
  }
  list(given = as.list(image), channels = names(image), named = TRUE)
}

# An error says which of the case's volumes it is about.
read_volume <- function(given, name, orientation, progress) {
  tryCatch(
    if (inherits(given, "tepp_volume")) {
      pointer_of(unclass(given)$pointer, "volume")
      given
    } else if (is_path(given)) {
      open_volume(given, orientation = orientation, progress = progress)
    } else {
      image_volume(given, name = name)
    },
    deeptepp_error = function(error) {
      error$volumes <- name
      stop(error)
    }
  )
}
