test_that("progress rises from 0 to 1", {
  model <- open_example()
  told <- numeric()
  tepp_score(model, files$image, files$mask, progress = function(fraction) told <<- c(told, fraction))
  expect_false(is.unsorted(told))
  expect_gte(min(told), 0)
  expect_identical(max(told), 1)
})

test_that("an error of the progress function ends the call as it is", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  stop_at <- function(limit) function(fraction) if (fraction >= limit) stop("enough")
  for (limit in c(0, 0.1, 0.25, 0.5, 1)) {
    expect_error(tepp_score(model, files$image, files$mask, progress = stop_at(limit)), "enough")
    expect_error(tepp_preprocess(model, files$image, files$mask, progress = stop_at(limit)), "enough")
    expect_error(tepp_open(files$model, progress = stop_at(limit)), "enough")
    expect_error(tepp_volume(files$image, progress = stop_at(limit)), "enough")
  }
  expect_identical(tepp_score(model, files$image, files$mask)$score, score)
})

test_that("any other way out of the progress function works too", {
  model <- open_example()
  found <- callCC(function(leave) tepp_score(model, files$image, files$mask, progress = function(f) leave("left")))
  expect_identical(found, "left")
  found <- withRestarts(tepp_score(model, files$image, files$mask, progress = function(f) invokeRestart("mine", 5)),
                        mine = function(value) value)
  expect_identical(found, 5)
})

test_that("a progress function may score, and conditions reach their handlers", {
  model <- open_example()
  score <- tepp_score(model, files$image, files$mask)$score
  inner <- NULL
  seen <- 0L
  nested <- function(fraction) {
    message("at ", fraction)
    if (is.null(inner) && fraction > 0.4) {
      inner <<- tepp_score(model, files$image, files$mask)$score
    }
  }
  outer <- withCallingHandlers(
    tepp_score(model, files$image, files$mask, progress = nested)$score,
    message = function(m) {
      seen <<- seen + 1L
      invokeRestart("muffleMessage")
    }
  )
  expect_identical(c(inner, outer), c(score, score))
  expect_gt(seen, 3L)
})

test_that("progress = TRUE goes to progressr", {
  skip_if_not_installed("progressr")
  model <- open_example()
  old <- options(progressr.enable = TRUE)
  on.exit(options(old))
  amounts <- numeric()
  withCallingHandlers(
    tepp_score(model, files$image, files$mask, progress = TRUE),
    progression = function(p) if (identical(p$type, "update")) amounts <<- c(amounts, p$amount)
  )
  expect_equal(sum(amounts), 100)
})

test_that("an interrupt ends a call within half a second, and the session's next score is whole", {
  skip_on_os("windows")
  model <- tepp_open(slow_model(), threads = 1)
  image <- volume_of(case$image)
  mask <- volume_of(case$mask)
  expected <- tepp_score(model, image, mask)$score
  started <- 0
  signal_once <- function(fraction) {
    if (started == 0 && fraction > 0.35) {
      started <<- as.numeric(Sys.time())
      tools::pskill(Sys.getpid(), tools::SIGINT)
    }
  }
  caught <- tryCatch(tepp_score(model, image, mask, progress = signal_once), interrupt = function(e) e)
  expect_lt(as.numeric(Sys.time()) - started, 0.5)
  expect_s3_class(caught, c("deeptepp_cancelled", "interrupt", "condition"), exact = TRUE)
  expect_identical(caught$name, "DEEPTEPP_ERR_CANCELLED")
  expect_identical(tepp_score(model, image, mask)$score, expected)
  close(model)
})

test_that("an interrupt while the progress function runs is the call's too", {
  skip_on_os("windows")
  model <- tepp_open(files$model, threads = 1)
  Sys.sleep(0) # loads it: an interrupt in between would leave a promise half done, and a warning at its next use
  interrupted <- function(fraction) {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    Sys.sleep(5)
  }
  image <- volume_of(case$image)
  mask <- volume_of(case$mask)
  cohort <- data.frame(id = "a", image = files$image, mask = files$mask)
  expected <- tepp_score(model, image, mask)$score # makes a session, so that the next ones begin with the score
  calls <- list(
    function() tepp_open(files$model, threads = 1, progress = interrupted),
    function() tepp_volume(files$image, progress = interrupted),
    function() tepp_score(model, image, mask, progress = interrupted),
    function() tepp_preprocess(model, image, mask, progress = interrupted),
    function() tepp_score_cohort(model, cohort, progress = interrupted),
    function() tepp_score_cohort(model, cohort, apply = function(...) interrupted(0))
  )
  for (call in calls) {
    caught <- tryCatch(call(), condition = function(e) e)
    expect_s3_class(caught, c("deeptepp_cancelled", "interrupt", "condition"), exact = TRUE)
  }
  expect_identical(tepp_score(model, image, mask)$score, expected)
  close(model)
})

test_that("a time limit ends a call with R's own error", {
  model <- tepp_open(slow_model(), threads = 1)
  expected <- tepp_score(model, files$image, files$mask)$score
  many <- function() for (i in 1:1000) tepp_score(model, files$image, files$mask)
  setTimeLimit(elapsed = 0.2, transient = TRUE)
  caught <- tryCatch(many(), condition = function(e) e)
  setTimeLimit()
  expect_s3_class(caught, "simpleError")
  expect_match(conditionMessage(caught), "time limit")
  expect_identical(tepp_score(model, files$image, files$mask)$score, expected)
  close(model)
})

test_that("nothing is printed, and R's random numbers stay as they are", {
  set.seed(1)
  before <- .Random.seed
  expect_silent(close(open_example()))
  expect_silent(tepp_score(open_example(), files$image, files$mask))
  expect_identical(.Random.seed, before)
})
