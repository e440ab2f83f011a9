test_that("a model says its precision, and a score what it was computed in", {
  model <- open_example()
  info <- tepp_info(model)
  expect_identical(info$precision, "f32")
  expect_identical(c(info$precision_shift, info$precision_margin), c(0, 0))
  expect_identical(tepp_score(model, files$image, files$mask)$precision, "f32")
  expect_true(tepp_precision_available("f32"))
})

test_that("bfloat16 is the caller's choice where the processor has it", {
  if (!tepp_precision_available("bf16")) {
    expect_error(open_example(precision = "bf16"), class = "deeptepp_precision")
    skip("this processor has no AVX512_BF16")
  }
  model <- open_example(precision = "bf16")
  exact <- tepp_score(open_example(), files$image, files$mask)
  found <- tepp_score(model, files$image, files$mask)
  info <- tepp_info(model)
  expect_identical(info$precision, "bf16")
  expect_identical(info$precision_margin, 4 * info$precision_shift)
  expect_lte(abs(found$score - exact$score), info$precision_margin)
  expect_true(found$precision %in% c("f32", "bf16"))
  row <- tepp_score_case(model, list(id = "a", image = files$image, mask = files$mask))
  expect_match(row$options, ";threads=1;precision=bf16", fixed = TRUE)
  expect_identical(row$score, found$score)
  expect_identical(row$precision, found$precision)
  close(model)
})

test_that("what is no precision is refused", {
  for (wrong in list("f16", "BF16", NULL, 1, c("f32", "bf16"), NA_character_)) {
    expect_error(open_example(precision = wrong), "precision is .*, wanted one of", class = "deeptepp_argument")
    expect_error(tepp_precision_available(wrong), class = "deeptepp_argument")
  }
})
