test_that("a score at a cut-point belongs to the tier below, as in the library", {
  cuts <- tepp_cutpoints(given = c(0.5, 0.8))
  tiers <- tepp_stratify(c(0.5, 0.5 + 1e-9, 0.8, 0.9, -1, NA), cuts)
  expect_identical(as.character(tiers), c("Low", "Moderate", "Moderate", "High", "Low", NA))
  expect_true(is.ordered(tiers))
  expect_identical(attr(tiers[2:3], "cuts"), cuts)
  found <- tepp_score(open_example(), files$image, files$mask)
  own <- tepp_cutpoints(given = found$cutpoints, labels = found$tiers)
  expect_identical(as.character(tepp_stratify(found$score, own)), found$tier_name)
})

test_that("quantiles are of type 7, of the scores that are there", {
  frame <- data.frame(score = c(5, 3, NA, 1, 2, 4, 9), status = c(rep("ok", 6), "error"), partition = "out-of-fold",
                      model_sha256 = strrep("c", 64))
  cuts <- tepp_cutpoints(frame, probs = c(0.3, 0.9))
  expect_equal(cuts$cutpoints, c(2.2, 4.6))
  expect_identical(cuts$n, 5L)
  expect_match(cuts$source, "Quantiles 0.3 and 0.9 \\(type 7\\) of 5 scores, partition out-of-fold 5")
  expect_identical(cuts$model_sha256, strrep("c", 64))
  expect_output(print(cuts), "Moderate +above 2.2 up to 4.6")
  expect_error(tepp_cutpoints(c(1, 1, 1, 1)), "too many scores are equal", class = "deeptepp_argument")
  expect_error(tepp_cutpoints(frame, labels = c("a", "b")), "wanted 3 distinct names", class = "deeptepp_argument")
  expect_error(tepp_cutpoints(frame, probs = c(0.8, 0.6)), "wanted numbers that rise", class = "deeptepp_argument")
  expect_error(tepp_cutpoints(), "wanted the scores", class = "deeptepp_argument")
  seen <- transform(frame, partition = "training")
  expect_error(tepp_cutpoints(seen, probs = c(0.3, 0.9)), "wanted none in a reference", class = "deeptepp_argument")
  other <- transform(frame, model_sha256 = strrep("d", 64))
  expect_error(tepp_stratify(other, cuts), "wanted those of one model", class = "deeptepp_argument")
})

test_that("cut-points are the same after a file, to the last bit", {
  skip_if_not_installed("jsonlite")
  file <- tempfile(fileext = ".json")
  set.seed(2)
  for (cuts in list(tepp_cutpoints(stats::rnorm(50)), tepp_cutpoints(given = 1 / 3, labels = c("a \"b\"", "\u00e4")))) {
    expect_identical(tepp_write_cuts(cuts, file), file)
    expect_identical(tepp_read_cuts(file), cuts)
  }
  read <- jsonlite::fromJSON(file)
  expect_named(read, c("cutpoints", "names", "method", "probs", "p_value", "source", "n", "model_sha256"))
  expect_null(read$probs)
  writeLines("{\"cutpoints\": [1]}", file)
  expect_error(tepp_read_cuts(file), "no member \"names\"", class = "deeptepp_argument")
  writeLines("{", file)
  expect_error(tepp_read_cuts(file), "is no JSON", class = "deeptepp_argument")
  expect_error(tepp_read_cuts(tempfile()), class = "deeptepp_file_missing")
})

test_that("the naive best cut rejects far more often than it says, the corrected p-value does not", {
  skip_if_not_installed("maxstat")
  set.seed(4)
  found <- vapply(1:60, function(i) {
    score <- stats::rnorm(100)
    time <- stats::rexp(100)
    cut <- tepp_cutpoint_maxstat(time, rep(1, 100), score)
    expect_true(cut$p_value <= 1)
    naive <- survival::survdiff(survival::Surv(time, rep(1, 100)) ~ score > cut$cutpoints)$chisq
    c(naive > stats::qchisq(0.95, 1), cut$p_value < 0.05)
  }, c(TRUE, TRUE))
  expect_gt(mean(found[1, ]), 0.2)
  expect_lt(mean(found[2, ]), 0.12)
  expect_error(tepp_cutpoint_maxstat(c(-1, 2:9), rep(1, 9), 1:9), "time is -1", class = "deeptepp_argument")
})
