test_that("paths and arrays give one score", {
  model <- open_example()
  found <- tepp_score(model, files$image, files$mask)
  again <- tepp_score(model, image_volume_of(case$image), image_volume_of(case$mask))
  expect_identical(again$view_scores, found$view_scores)
  expect_length(found$view_scores, 4)
})
