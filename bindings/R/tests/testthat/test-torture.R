test_that("every entry point survives a collection at every few allocations", {
  native <- function(name, ...) do.call(".Call", list(get(name, asNamespace("deeptepp")), ...))
  model <- open_example()
  expected <- tepp_score(model, files$image, files$mask)
  close(model)
  on.exit(gctorture2(0))
  gctorture2(40)
  model <- open_example()
  info <- tepp_info(model)
  image <- tepp_volume(files$image)
  mask <- volume_of(case$mask)
  found <- tepp_score(model, image, mask, progress = function(fraction) list(fraction))
  input <- tepp_preprocess(model, image, mask)
  errors <- list(
    tryCatch(tepp_score(model, image, image), error = identity),
    tryCatch(tepp_self_test(model), error = identity),
    tryCatch(tepp_open("none"), error = identity),
    tryCatch(tepp_score(model, image, mask, progress = function(fraction) stop("mine")), error = identity)
  )
  voxels <- tepp_ras(mask)$voxels
  rest <- list(tepp_volume_count(files$image), tepp_version(), native("C_shard", c("a", "b"), 3L),
               native("C_handle_state", image$pointer, 2L), native("C_volume_facts", mask$pointer)$dim)
  journal <- native("C_journal_open", tempfile())
  kept <- list(native("C_journal_append", journal, charToRaw("row\n")), native("C_journal_close", journal),
               native("C_journal_open", tempdir()))
  close(image)
  close(model)
  gctorture2(0)
  expect_identical(kept, list("", NULL, "Is a directory"))
  expect_identical(found$view_scores, expected$view_scores)
  expect_identical(info$channels, "t1c")
  expect_identical(dim(input), info$input_shape)
  expect_identical(vapply(errors, function(e) class(e)[[1L]], ""),
                   c("deeptepp_mask_labels", "deeptepp_model_no_self_test", "deeptepp_file_missing", "simpleError"))
  expect_equal(sum(voxels), sum(case$mask))
  expect_identical(rest[c(1, 4, 5)], list(1L, 0L, dim(case$mask)))
})
