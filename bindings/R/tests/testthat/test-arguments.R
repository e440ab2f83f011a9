test_that("wrong arguments are told by name, before anything is read", {
  model <- open_example()
  score <- function(...) tepp_score(model, files$image, files$mask, ...)
  wrong <- list(
    quote(score(label = 0)), quote(score(label = 1.5)), quote(score(label = "1")), quote(score(label = NA)),
    quote(score(largest_part = NA)), quote(score(mask_grid = "linear")), quote(score(mask_grid = NULL)),
    quote(score(orientation = NA_character_)), quote(score(progress = "yes")), quote(score(covariates = c(1, 2))),
    quote(score(covariates = list(age = "52"))), quote(score(covariates = list(age = factor(52)))),
    quote(score(covariates = list(age = 1:2))), quote(tepp_open(1)), quote(tepp_open(NA_character_)),
    quote(tepp_open(character())), quote(tepp_open(files$model, threads = 0)),
    quote(tepp_open(files$model, threads = 257)), quote(tepp_open(files$model, guidance = NULL)),
    quote(tepp_open(files$model, expected_sha256 = 5)), quote(tepp_open(files$model, memory_limit = -1)),
    quote(tepp_score(NULL, files$image, files$mask)), quote(tepp_score(list(), files$image, files$mask)),
    quote(tepp_info("model.safetensors")), quote(tepp_ras(1))
  )
  for (call in wrong) {
    caught <- tryCatch(eval(call), condition = function(e) e)
    expect_s3_class(caught, "deeptepp_argument")
    expect_match(conditionMessage(caught), "wanted")
  }
})

test_that("a list that only says it is a model is refused", {
  model <- open_example()
  changes <- list(list(path = NA_character_), list(path = 1), list(sha256 = NA), list(sha256 = letters),
                  list(options = NULL), list(options = list(threads = "2")))
  for (change in changes) {
    wrong <- model
    wrong[names(change)] <- change
    expect_error(tepp_score(wrong, files$image, files$mask), class = "deeptepp_argument")
  }
  broken <- structure(list(), class = "tepp_model")
  expect_error(tepp_info(broken), class = "deeptepp_argument")
  expect_error(close(broken), class = "deeptepp_argument")
})

test_that("arrays that are none are refused", {
  model <- open_example()
  for (wrong in list(NULL, NA, 5, "no-such-file.nii", letters, list(1, 2), case$image, mean, as.raw(1:8),
                     array(1i, c(2, 2, 2)), array("1", c(2, 2, 2)), data.frame(x = 1))) {
    caught <- tryCatch(tepp_score(model, wrong, files$mask), condition = function(e) e)
    expect_s3_class(caught, "deeptepp_error")
    several <- is.vector(wrong) && length(wrong) > 1L && !is.raw(wrong)
    expect_identical(caught$volumes, if (several) character() else "t1c")
  }
  for (wrong in list(factor(files$mask), c(files$mask, "b"), character())) {
    expect_error(tepp_score(model, files$image, wrong), "^mask is .*, wanted a path", class = "deeptepp_argument")
  }
  expect_error(volume_of(structure(case$image, class = "integer64")), "class integer64", class = "deeptepp_argument")
  dropped <- case$image[, , 1]
  expect_error(volume_of(dropped), "drop = FALSE keeps them", class = "deeptepp_argument")
  expect_error(volume_of(array(0, c(2, 2, 2, 2))), "dim 2 x 2 x 2 x 2", class = "deeptepp_argument")
  expect_error(volume_of(array(0, c(0, 2, 2))), class = "deeptepp_volume_dims")
  expect_error(tepp_volume(case$image), "affine is missing", class = "deeptepp_argument")
  for (affine in list(diag(3), "x", NA, matrix(NA, 4, 4), diag(5))) {
    expect_error(tepp_volume(case$image, affine = affine), class = "deeptepp_error")
  }
  expect_error(tepp_volume(case$image, affine = diag(c(1, 1, 1, 2))), class = "deeptepp_volume_affine")
  expect_warning(tepp_volume(case$image, affine = diag(4)), "identity")
  expect_error(tepp_volume(files$image, affine = diag(4)), class = "deeptepp_argument")
  expect_error(tepp_volume(case$image, affine = case$affine, volume = 1), class = "deeptepp_argument")
})

test_that("NA is told as NA, with its place counted from 1", {
  for (array in list(case$image, case$mask, case$mask == 1L)) {
    array[3, 4, 5] <- NA
    array[3, 4, 6] <- NA
    expect_error(volume_of(array), "NA in 2 of its voxels, the first at \\[3, 4, 5\\]",
                 class = "deeptepp_volume_nonfinite")
  }
  for (value in c(NaN, Inf, -Inf)) {
    array <- case$image
    array[3, 4, 5] <- value
    expect_error(volume_of(array), class = "deeptepp_volume_nonfinite")
  }
})

test_that("conditions carry status, name, volumes and message", {
  model <- open_example()
  empty <- volume_of(case$mask * 0L)
  caught <- expect_error(tepp_score(model, files$image, empty), class = "deeptepp_mask_empty")
  expect_s3_class(caught, c("deeptepp_mask_empty", "deeptepp_case_error", "deeptepp_error", "error", "condition"),
                  exact = TRUE)
  expect_identical(caught$name, "DEEPTEPP_ERR_MASK_EMPTY")
  expect_identical(caught$status, 118L)
  expect_identical(caught$volumes, "mask")
  groups <- c(FILE_MISSING = 20, NIFTI_DIM = 43, VOLUME_DIMS = 60, MODEL_JSON = 82, MASK_EMPTY = 118, BUSY = 6)
  own <- paste0("deeptepp_", c("file", "nifti", "volume", "model_file", "case", "call"), "_error")
  found <- vapply(groups, function(status) deeptepp:::status_groups(status)[[1L]], "")
  expect_identical(unname(found), own)
  expect_error(tepp_volume("no-such-file.nii"), class = "deeptepp_file_missing")
  expect_error(tepp_volume(files$model), class = "deeptepp_file_error")
  expect_error(tepp_open(files$image), class = "deeptepp_error")
  expect_error(tepp_open(files$model, expected_sha256 = strrep("0", 64)), class = "deeptepp_model_sha256")
})

test_that("channels and covariates that the model does not know are refused", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  expect_identical(tepp_score(model, list(t1c = files$image), files$mask)$score, score)
  expect_identical(tepp_score(model, c(t1c = files$image), files$mask)$score, score)
  expect_error(tepp_score(model, list(flair = files$image), files$mask), class = "deeptepp_channel_unknown")
  expect_error(tepp_score(model, list(files$image, files$image), files$mask), class = "deeptepp_argument")
  expect_error(tepp_score(model, list(t1c = files$image, t1c = files$image), files$mask),
               class = "deeptepp_channel_duplicate")
  expect_error(tepp_score(model, files$image, files$mask, covariates = c(age = 52)),
               class = "deeptepp_covariate_unknown")
  expect_error(tepp_score(model, files$image, files$mask, covariates = c(age = NaN)),
               class = "deeptepp_covariate_value")
  expect_identical(tepp_score(model, files$image, files$mask, covariates = c(age = NA))$score, score)
  expect_error(tepp_score(model, volume_of(case$image), volume_of(case$mask), orientation = "RAS"),
               class = "deeptepp_argument")
})
