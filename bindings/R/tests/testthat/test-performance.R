ranked <- function(n = 150, seed = 5, censoring = 8) {
  set.seed(seed)
  score <- round(stats::rnorm(n), 1)
  event_at <- stats::rexp(n, 0.15 * exp(score))
  censored_at <- stats::runif(n, 1, censoring)
  data.frame(score = score, rfs_time = round(pmin(event_at, censored_at), 2) + 0.01,
             rfs_event = as.integer(event_at <= censored_at), partition = "calibration")
}

test_that("Harrell's C is that of all pairs", {
  skip_if_not_installed("riskRegression")
  data <- ranked()
  pairs <- subset(expand.grid(i = seq_len(nrow(data)), j = seq_len(nrow(data))), i != j)
  first <- data[pairs$i, ]
  second <- data[pairs$j, ]
  usable <- first$rfs_event == 1 & (first$rfs_time < second$rfs_time |
                                      (first$rfs_time == second$rfs_time & second$rfs_event == 0))
  wins <- (first$score > second$score) + 0.5 * (first$score == second$score)
  found <- tepp_performance(data, times = c(1, 3))
  expect_equal(found$concordance$estimate[1], mean(wins[usable]))
  bent <- tepp_performance(transform(data, score = exp(3 * score)), times = c(1, 3))
  expect_equal(bent$auc, found$auc)
  expect_equal(bent$concordance, found$concordance)
})

# Every pair, or patient, weighted by the inverse probability of having been followed up: no ties here.
test_that("Uno's C, AUC and Brier score are those of weighted pairs and patients, each at its time", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  data <- transform(ranked(), rfs_time = rfs_time + seq_along(rfs_time) * 1e-7, score = score + seq_along(score) * 1e-7)
  followed <- survival::survfit(survival::Surv(rfs_time, 1 - rfs_event) ~ 1, data = data)
  share <- stats::stepfun(followed$time, c(1, followed$surv))
  before <- share(data$rfs_time - 1e-9)
  event <- data$rfs_event == 1
  ahead <- outer(data$score, data$score, ">")
  risks <- cbind(stats::plogis(data$score - 1), stats::plogis(data$score))
  found <- tepp_performance(data, times = c(1, 3), risk = risks)
  pairs <- outer(data$rfs_time, data$rfs_time, "<") * event * (data$rfs_time <= 3) / before^2
  expect_equal(found$concordance$estimate[2], sum(pairs * ahead) / sum(pairs), tolerance = 1e-6)
  for (k in 1:2) {
    time <- c(1, 3)[k]
    case <- event & data$rfs_time <= time
    free <- data$rfs_time > time
    pairs <- outer(case / before, free / share(time))
    expect_equal(found$auc$auc[k], sum(pairs * ahead) / sum(pairs), tolerance = 1e-6)
    parts <- case * (1 - risks[, k])^2 / before + free * risks[, k]^2 / share(time)
    expect_equal(found$brier$brier[k], mean(parts), tolerance = 1e-6)
    curve <- found$curve[found$curve$time == time, ]
    error <- abs(curve$risk - curve$observed)
    numbers <- unlist(found$calibration[k, c("ici", "e50", "e90")], use.names = FALSE)
    expect_equal(numbers, c(mean(error), stats::median(error), stats::quantile(error, 0.9, names = FALSE)))
  }
})

test_that("without risks there is no calibration, with them there is", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  data <- ranked()
  found <- tepp_performance(data, times = 2)
  expect_null(found$calibration)
  expect_null(found$decision)
  expect_output(print(found), "A score is no[ \n]+probability")
  data <- ranked(300)
  half <- seq_len(150)
  calibration <- tepp_calibrate(data[half, ], times = c(2, 4), endpoint = "RFS", unit = "years")
  by_object <- tepp_performance(data[-half, ], times = 2, risk = calibration)
  risk <- predict(calibration, data$score[-half])[, 1]
  columns <- transform(data[-half, ], "survival:2" = 1 - risk, mine = risk, check.names = FALSE)
  for (way in list("survival:2", "mine", matrix(risk), risk)) {
    expect_equal(tepp_performance(columns, times = 2, risk = way)[-(1:12)], by_object[-(1:12)])
  }
  numbers <- by_object$calibration
  curve <- survival::survfit(survival::Surv(rfs_time, rfs_event) ~ 1, data = data[-half, ])
  expect_equal(numbers$oe, (1 - summary(curve, times = 2)$surv) / mean(risk))
  expect_warning(tepp_performance(data[half, ], times = 2, risk = calibration), "very rows")
  wrong <- list(list(risk = "survival:9"), list(risk = 2 * risk), list(risk = risk[-1]),
                list(times = 2.5, risk = calibration), list(times = 1e6), list(times = 0), list(thresholds = c(0, 1)))
  for (arguments in wrong) {
    arguments <- utils::modifyList(list(data = columns, times = 2), arguments)
    expect_error(do.call(tepp_performance, arguments), "wanted", class = "deeptepp_argument")
  }
})

test_that("before the first event there is nothing to explain, and no infinite number", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  data <- ranked()
  found <- tepp_performance(data, times = c(min(data$rfs_time) / 2, 2), risk = cbind(stats::plogis(data$score - 3),
                                                                                       stats::plogis(data$score)))
  expect_identical(is.na(found$brier$ipa), c(TRUE, FALSE))
  expect_no_match(paste(capture.output(print(found)), collapse = " "), "Inf|NaN")
})

test_that("net benefit counts those who are treated rightly and wrongly", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  data <- ranked(censoring = 1e6)
  risk <- stats::plogis(data$score)
  found <- tepp_performance(data, times = 2, risk = risk, thresholds = c(0.2, 0.6))$decision
  event <- data$rfs_time <= 2
  wanted <- vapply(c(0.2, 0.6), function(p) mean(event & risk > p) - mean(!event & risk > p) * p / (1 - p), 1)
  expect_equal(found$by_risk, wanted)
  expect_equal(found$treat_all, mean(event) - mean(!event) * c(0.2, 0.6) / c(0.8, 0.4))
})

test_that("a calibration is Efron's slope and Breslow's baseline", {
  data <- ranked()
  found <- tepp_calibrate(data, times = c(1, 2.5), endpoint = "RFS", unit = "years", source = "Made up")
  events <- data[data$rfs_event == 1, ]
  slope <- function(b) {
    sum(vapply(split(events, events$rfs_time), function(tied) {
      at_risk <- data$rfs_time >= tied$rfs_time[1]
      steps <- (seq_len(nrow(tied)) - 1) / nrow(tied)
      sums <- sum(exp(b * data$score[at_risk])) - steps * sum(exp(b * tied$score))
      sum(b * tied$score) - sum(log(sums))
    }, 1))
  }
  expect_equal(found$slope, stats::optimize(slope, c(0, 3), maximum = TRUE, tol = 1e-9)$maximum, tolerance = 1e-5)
  expect_equal(found$centre, mean(data$score))
  hazard <- vapply(c(1, 2.5), function(t) {
    sum(vapply(events$rfs_time[events$rfs_time <= t], function(s) {
      1 / sum(exp(found$slope * (data$score[data$rfs_time >= s] - found$centre)))
    }, 1))
  }, 1)
  expect_equal(found$baseline_survival, exp(-hazard))
  expect_equal(unname(predict(found, 0.7)[1, ]), 1 - exp(-hazard)^exp(found$slope * (0.7 - found$centre)))
  skip_if_not_installed("jsonlite")
  file <- tempfile(fileext = ".json")
  tepp_write_calibration(found, file)
  members <- c("endpoint", "unit", "source", "times", "baseline_survival", "slope", "centre")
  expect_identical(jsonlite::fromJSON(file)[members], unclass(found)[members])
  made <- tepp_calibrate(transform(data, model_sha256 = strrep("a", 64)), times = 2, endpoint = "RFS", unit = "years")
  tepp_write_calibration(made, file)
  expect_identical(jsonlite::fromJSON(file)$model_sha256, strrep("a", 64))
})

test_that("a calibration is refused from scores that the model was made with, and from too few events", {
  data <- ranked()
  calibrate <- function(data, times = 2) tepp_calibrate(data, times = times, endpoint = "RFS", unit = "years")
  for (state in c("training", "out-of-fold")) {
    expect_error(calibrate(transform(data, partition = state)), "the model has seen", class = "deeptepp_argument")
  }
  few <- transform(data, rfs_event = as.integer(cumsum(rfs_event) <= 49 & rfs_event == 1))
  expect_error(calibrate(few), "has 49 events in rfs_event, wanted 50", class = "deeptepp_argument")
  expect_error(calibrate(data, c(2, 100)), "wanted times within it", class = "deeptepp_argument")
  expect_error(calibrate(transform(data, score = 1)), "wanted scores that differ", class = "deeptepp_argument")
  expect_error(tepp_calibrate(data, times = 2, unit = "years"), "endpoint is NULL", class = "deeptepp_argument")
  expect_error(calibrate(data, 0.001), "wanted a later first time", class = "deeptepp_argument")
  expect_error(calibrate(data[names(data) != "partition"]), "no column \"partition\"", class = "deeptepp_argument")
  expect_error(calibrate(transform(data, score = -score)), "wanted above 0", class = "deeptepp_argument")
})

test_that("a performance's page says whether cases were compared with those of training, and by what", {
  data <- transform(ranked(60), participant_id = sprintf("p%03d", seq_len(60)), partition = "test")
  page <- function(training) {
    found <- tepp_performance(data, times = 2, training = training)
    gsub(" +", " ", paste(capture.output(print(found)), collapse = " "))
  }
  expect_no_match(page(NULL), "among the training cases")
  other <- data.frame(participant_id = "someone else")
  expect_match(page(other), "Partition: test 60. No participant_id is among the training cases.", fixed = TRUE)
})

test_that("a performance is refused as an analysis is: of training rows, seen cases, a patient twice, another model", {
  data <- ranked()
  data$participant_id <- sprintf("sub-%03d", seq_len(nrow(data)))
  refused <- function(data, said, ...) {
    expect_error(tepp_performance(data, times = 2, ...), said, class = "deeptepp_argument")
  }
  refused(transform(data, partition = "training"), "the model has seen")
  refused(data, "1 of the data's participant_id", training = data[3, ])
  refused(data[c(1, seq_len(nrow(data))), ], "\"sub-001\" is in the data twice")
  refused(transform(data, model_sha256 = rep(c("a", "b"), length.out = nrow(data))), "scores of 2 models")
  expect_error(tepp_calibrate(data[c(1, seq_len(nrow(data))), ], times = 2, endpoint = "RFS", unit = "years"),
               "\"sub-001\" is in the data twice", class = "deeptepp_argument")
})
