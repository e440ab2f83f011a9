test_that("paths, double, integer and logical arrays give one score", {
  model <- open_example()
  found <- tepp_score(model, files$image, files$mask)
  integers <- array(as.integer(case$image), dim(case$image))
  for (image in list(case$image, integers)) {
    for (mask in list(case$mask, case$mask == 1L, case$mask + 0)) {
      again <- tepp_score(model, volume_of(image), volume_of(mask))
      expect_identical(again$view_scores, found$view_scores)
    }
  }
  expect_length(found$view_scores, 4)
  expect_equal(mean(found$view_scores), found$score)
  expect_equal(sd(found$view_scores), found$score_sd)
})

test_that("a score says all there is", {
  model <- open_example()
  found <- tepp_score(model, files$image, files$mask)
  expect_s3_class(found, "tepp_score")
  expect_identical(found$tier_name, c("Low", "Moderate", "High")[found$tier + 1L])
  nearest <- found$cutpoints[which.min(abs(found$score - found$cutpoints))]
  expect_identical(found$cutpoint_distance, found$score - nearest)
  expect_identical(found$warnings$name, "DEEPTEPP_WARN_SEEDED_WEIGHTS")
  expect_match(found$warnings$message, "not trained")
  expect_identical(found$guidance, NA_character_)
  expect_identical(c(nrow(found$survival), nrow(found$covariates)), c(0L, 0L))
  expect_match(found$json, sprintf('"score": %.17g,', found$score), fixed = TRUE)
})

test_that("the mask that was scored is the array's", {
  two <- case$mask
  two[2, 2, 2:3] <- 1L
  model <- open_example()
  found <- tepp_score(model, volume_of(case$image), volume_of(two))$mask
  at <- which(two == 1L, arr.ind = TRUE)
  expect_equal(found$voxels, nrow(at))
  expect_equal(found$low, unname(apply(at, 2, min)))
  expect_equal(found$high, unname(apply(at, 2, max)))
  expect_equal(found$part_count, 2)
  expect_equal(found$parts$voxels, c(sum(case$mask), 2))
  expect_equal(found$label, 1)
  largest <- tepp_score(model, volume_of(case$image), volume_of(two), largest_part = TRUE)
  expect_equal(largest$mask$voxels, sum(case$mask))
  expect_identical(largest$score, tepp_score(model, files$image, files$mask)$score)
})

test_that("label and mask_grid", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  two <- case$mask * 3L
  two[1] <- 2L
  expect_error(tepp_score(model, files$image, volume_of(two)), class = "deeptepp_mask_labels")
  expect_identical(tepp_score(model, files$image, volume_of(two), label = 3)$score, score)
  moved <- case$affine
  moved[1, 4] <- 500
  mask <- tepp_volume(case$mask, affine = moved)
  caught <- expect_error(tepp_score(model, files$image, mask), class = "deeptepp_geometry_origin")
  expect_setequal(caught$volumes, c("t1c", "mask"))
  expect_identical(tepp_score(model, files$image, mask, mask_grid = "image")$score, score)
  expect_identical(tepp_score(model, files$image, files$mask, mask_grid = "nearest")$score, score)
})

test_that("preprocess gives the model's input, standardised", {
  input <- tepp_preprocess(open_example(), files$image, files$mask)
  expect_identical(dim(input), c(4L, 1L, 16L, 16L, 16L))
  expect_equal(apply(input, 1, mean), rep(0, 4), tolerance = 1e-6)
  expect_equal(apply(input, 1, function(v) sqrt(mean(v^2))), rep(1, 4), tolerance = 1e-5)
  # The last view is turned by 360 degrees: the middle of the tensor is the middle of the ball, on the image's own grid
  # along i and j.
  plane <- case$image[5:20, 4:19, 10]
  expect_gt(cor(as.vector(input[4, 1, , , 8]), as.vector(plane)), 0.9)
})

test_that("a model without a self-test says so", {
  expect_error(tepp_self_test(open_example()), class = "deeptepp_model_no_self_test")
})

test_that("scores show themselves", {
  found <- tepp_score(open_example(), files$image, files$mask)
  expect_output(print(found), sprintf("score %.6f, tier %d", found$score, found$tier), fixed = TRUE)
  expect_output(print(found), "SEEDED_WEIGHTS")
  expect_output(print(found), sprintf("%+.6f from the nearest cut-point", found$cutpoint_distance), fixed = TRUE)
  expect_output(print(summary(found)), "Research use only")
  row <- as.data.frame(found)
  expect_identical(dim(row), c(1L, 7L))
  expect_identical(row$score, found$score)
  expect_identical(levels(row$tier), found$tiers)
  expect_true(is.ordered(row$tier))
  expect_identical(as.list(found)$json, found$json)
  path <- tempfile(fileext = ".pdf")
  grDevices::pdf(path)
  expect_invisible(plot(found))
  grDevices::dev.off()
  expect_gt(file.size(path), 1000)
})

test_that("info says what the file says", {
  info <- tepp_info(open_example())
  expect_identical(info$channels, "t1c")
  expect_identical(info$input_shape, c(4L, 1L, 16L, 16L, 16L))
  expect_identical(info$cutpoints, c(-0.5, 0.5))
  expect_identical(info$properties[["input.region.spacing_mm"]], "1, 1, 1")
  expect_identical(nrow(info$covariates), 0L)
  expect_gt(info$memory, 0)
  expect_output(print(info), "Low, Moderate, High, cut at -0.5, 0.5")
})
