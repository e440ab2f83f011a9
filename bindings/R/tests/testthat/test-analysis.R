# Cohorts of made-up patients, in the columns of a scored table.

patients <- function(n = 240, seed = 1, effect = 0) {
  set.seed(seed)
  score <- stats::rnorm(n)
  treatment <- rep(c("none", "single", "dual"), length.out = n)
  event_at <- stats::rexp(n, 0.1 * exp(0.7 * score + effect * (treatment != "none")))
  censored_at <- stats::runif(n, 2, 12)
  data.frame(participant_id = sprintf("sub-%03d", seq_len(n)), score = score, treatment = treatment,
             rfs_time = pmin(event_at, censored_at), rfs_event = as.integer(event_at <= censored_at),
             partition = "test", status = "ok", error_code = NA, image_sha256 = sprintf("%064d", seq_len(n)),
             model_sha256 = strrep("a", 64), age = round(stats::runif(n, 30, 70)), site = c("A", "B"))
}

cuts <- tepp_cutpoints(given = c(0, 1), source = "Given for a test")
analysed <- function(data, ..., horizon = 4) {
  tepp_analyse(if ("tier" %in% names(data)) data else tepp_stratify(data, cuts), ..., horizon = horizon)
}
refused <- function(call, message) {
  caught <- tryCatch(call, condition = function(e) e)
  expect_s3_class(caught, "deeptepp_argument")
  expect_match(conditionMessage(caught), message)
  expect_match(conditionMessage(caught), "wanted")
}

test_that("log-rank, survival and restricted means are those of plain loops", {
  data <- patients()
  found <- analysed(data)
  part <- data[data$score <= 0 & data$treatment != "dual", ]
  later <- part$treatment == "single"
  sums <- rowSums(vapply(part$rfs_time[part$rfs_event == 1], function(t) {
    risk <- part$rfs_time >= t
    share <- mean(later[risk])
    c(sum(later[part$rfs_time == t]) - share, share * (1 - share))
  }, c(0, 0)))
  row <- found$contrasts[found$contrasts$tier == "Low" & found$contrasts$to == "single", ]
  expect_equal(row$statistic, sums[1]^2 / sums[2])
  expect_equal(row$p, stats::pchisq(sums[1]^2 / sums[2], 1, lower.tail = FALSE))
  curve <- function(part) {
    times <- sort(part$rfs_time[part$rfs_event == 1 & part$rfs_time <= 4])
    surv <- cumprod(1 - 1 / vapply(times, function(t) sum(part$rfs_time >= t), 1L))
    c(surv[length(surv)], sum(diff(c(0, times, 4)) * c(1, surv)))
  }
  expect_equal(c(row$d_survival, row$d_rmst), curve(part[later, ]) - curve(part[!later, ]))
})

test_that("turned contrasts turn the effects, and other units of time change nothing", {
  data <- patients()
  one <- analysed(data, contrasts = list(c("none", "dual")))
  turned <- analysed(data, contrasts = list(c("dual", "none")))$contrasts
  expect_equal(turned$hr, 1 / one$contrasts$hr)
  expect_equal(turned$d_rmst_low, -one$contrasts$d_rmst_high)
  expect_equal(turned[c("statistic", "p", "p_adjusted")], one$contrasts[c("statistic", "p", "p_adjusted")])
  days <- analysed(transform(data, rfs_time = rfs_time * 365.25), contrasts = list(c("none", "dual")),
                   horizon = 4 * 365.25)
  expect_equal(days$interaction, one$interaction)
  expect_equal(days$contrasts$d_rmst, one$contrasts$d_rmst * 365.25)
})

test_that("rows that cannot be used are left out and counted by reason", {
  data <- tepp_stratify(patients(), cuts)
  clean <- analysed(data[-(1:8), ])
  data$status[1:2] <- "error"
  data$error_code[1:2] <- c("MASK_EMPTY", "FILE_MISSING")
  data$status[3] <- "skipped"
  data$rfs_time[4:5] <- c(NA, 0)
  data$rfs_event[6] <- NA
  data$treatment[7] <- "any"
  data$age[8] <- NA
  found <- analysed(data, adjust = "age")
  expect_identical(found$excluded$n, rep(1L, 8))
  expect_identical(found$excluded$reason, c(
    "scoring failed: FILE_MISSING", "scoring failed: MASK_EMPTY", "not scored: no image, no mask", "rfs_time missing",
    "rfs_time 0 or less", "rfs_event missing", "treatment \"any\" is in no contrast", "age missing"
  ))
  expect_identical(c(found$rows, found$n), c(240L, 232L))
  expect_identical(found$contrasts$hr, clean$contrasts$hr)
  expect_output(print(found), "left out: scoring failed: MASK_EMPTY, 1")
})

test_that("a table that was written and read gives the frame's numbers", {
  data <- tepp_stratify(patients(), cuts)
  data$tier <- as.character(data$tier)
  path <- tempfile(fileext = ".tsv")
  utils::write.table(format(data, digits = 17), path, sep = "\t", quote = FALSE, row.names = FALSE, na = "n/a")
  read <- tepp_analyse(path, horizon = 4, adjust = "age", strata = "site")
  expect_equal(read$contrasts, analysed(data, adjust = "age", strata = "site")$contrasts)
  expect_identical(read$fits$tier$interaction$xlevels$.tier, cuts$names)
})

test_that("what cannot be analysed is refused, with what is wanted", {
  data <- tepp_stratify(patients(), cuts)
  with <- function(name, value, rows = 1) {
    data[[name]] <- as.vector(data[[name]])
    data[rows, name] <- value
    data
  }
  refused(tepp_analyse(data), "horizon is NULL")
  refused(analysed(with("partition", "training", 1:9)), "\"training\" in 9 rows.*the model has seen")
  refused(analysed(with("partition", "train")), "training, out-of-fold, calibration, test")
  refused(analysed(with("rfs_event", 2)), "rfs_event is 2 in row 1")
  refused(analysed(with("rfs_time", "soon")), "rfs_time is \"soon\" in row 1")
  refused(analysed(with("participant_id", "sub-002")), "\"sub-002\" is in the data twice")
  refused(analysed(with("model_sha256", strrep("b", 64))), "scores of 2 models")
  refused(analysed(data, contrasts = list(c("none", "both"))), "the arms dual, none, single")
  refused(analysed(data, contrasts = c("none", "dual")), "list of pairs")
  refused(analysed(data, time = "months"), "no column \"months\"")
  refused(analysed(data, p_adjust = "all"), "p_adjust is \"all\"")
  refused(analysed(data, training = data[c(7, 9), "participant_id", drop = FALSE]), "2 of the data's participant_id")
  seen <- transform(data[7, ], participant_id = "another")
  refused(analysed(data, training = seen), "1 of the data's image_sha256")
  refused(analysed(data, training = data["age"]), "no ids and no image_sha256")
  other <- tepp_cutpoints(transform(patients(), model_sha256 = strrep("b", 64)))
  refused(analysed(data, cuts = other), "of model bbbbbbbbbbbb")
  refused(analysed(with("rfs_time", NA, 1:240)), "no row.*rfs_time missing: 240")
  expect_match(analysed(data, training = transform(seen, image_sha256 = "x"))$notes$text,
               " No participant_id and no image_sha256 is among", all = FALSE)
  refused(analysed(data, training = data.frame(participant_id = NA)), "no ids and no image_sha256")
  refused(analysed(with("tier", "All")), "a tier \"All\"")
  refused(analysed(data, cuts = tepp_cutpoints(given = c(-9, 9))), "where cuts make \"Moderate\"")
  refused(analysed(data, adjust = "treatment"), "adjust or strata has treatment")
  refused(analysed(data, adjust = ~ log(rfs_time)), "adjust or strata has rfs_time")
  refused(analysed(data, adjust = ~ nothing(age)), "adjust cannot be computed")
})

test_that("rows of which an adjusting formula makes no number are left out and counted", {
  data <- tepp_stratify(patients(), cuts)
  expect_silent(found <- analysed(data, adjust = ~ sqrt(age - 50)))
  young <- sum(data$age < 50)
  expect_true(young > 0)
  expect_identical(found$excluded, data.frame(reason = "adjust is no finite number", n = young), ignore_attr = TRUE)
  expect_identical(c(found$n, found$fits$tier$additive$n), c(240L - young, 240L - young))
})

test_that("mixed partitions and cut-points from outcomes are warned of", {
  data <- patients()
  data$partition[1:5] <- "calibration"
  expect_warning(found <- analysed(data), "mixed \\(calibration 5, test 235\\)")
  expect_match(found$notes$text, "calibration 5, test 235 \\(mixed\\)", all = FALSE)
  skip_if_not_installed("maxstat")
  searched <- with(patients(), tepp_cutpoint_maxstat(rfs_time, rfs_event, score))
  expect_warning(found <- analysed(tepp_stratify(patients(), searched)[-1, ]), "searched in outcomes")
  expect_match(found$notes$text, "every p-value above is too small", all = FALSE)
})

test_that("an arm without patients or events is told of and gives no number", {
  data <- tepp_stratify(patients(), cuts)
  data$rfs_event[data$tier == "Low" & data$treatment == "single"] <- 0
  data <- data[!(data$tier == "High" & data$treatment == "dual"), ]
  found <- analysed(data)
  row <- function(tier, to) found$contrasts[found$contrasts$tier == tier & found$contrasts$to == to, ]
  expect_identical(c(row("Low", "single")$hr, row("High", "dual")$p, row("High", "dual")$d_rmst), rep(NA_real_, 3))
  expect_false(is.na(row("Low", "single")$p))
  expect_match(found$notes$text, "Low, single v none: no hazard ratio", all = FALSE)
  expect_match(found$notes$text, "High, dual v single: not compared, an arm has no patient", all = FALSE)
  expect_identical(sum(!is.na(found$contrasts$p_adjusted)), 5L)
  expect_output(print(summary(found)), "Proportional hazards: not tested")
})

# Treatment starts 0 to 3 years late and does nothing.
late_patients <- function() {
  data <- patients(3000, seed = 3)
  data$treatment <- ifelse(data$treatment == "dual", "none", data$treatment)
  planned <- stats::runif(3000, 0, 3)
  data$treatment <- ifelse(data$treatment == "single" | planned < 1.5, "single", "none")
  data$treatment[planned >= data$rfs_time] <- "none"
  data$began <- ifelse(data$treatment == "single", planned, NA)
  data$tier <- "one"
  data
}

test_that("treatment that starts late looks like a benefit, and is refused without a landmark or a counting process", {
  data <- late_patients()
  of <- function(...) analysed(data, score = NULL, contrasts = list(c("none", "single")), ...)
  effect <- function(found) found$contrasts[1, ]
  expect_lt(effect(of())$hr_high, 0.8)
  refused(of(start = "began"), "began is after time zero in .* landmark = a time, or counting = TRUE")
  for (found in list(of(start = "began", landmark = 1.5), of(start = "began", counting = TRUE))) {
    expect_lt(effect(found)$hr_low, 1)
    expect_gt(effect(found)$hr_high, 1)
  }
  landmark <- of(start = "began", landmark = 1.5)
  expect_identical(landmark$n, sum(data$rfs_time > 1.5))
  treated <- data$rfs_time > 1.5 & data$began %in% data$began[data$began <= 1.5]
  expect_identical(landmark$cells$n[landmark$cells$treatment == "single"], sum(treated & !is.na(data$began)))
  split <- of(start = "began", counting = TRUE)
  expect_identical(effect(split)$test, "score test")
  expect_identical(effect(split)$n, split$n)
  expect_false(any(grepl("3. Differences", analysis_page(split), fixed = TRUE)))
  refused(of(start = "began", landmark = 1.5, counting = TRUE), "landmark is 1.5 and counting is TRUE")
  refused(analysed(data, score = NULL, contrasts = list(c("single", "none")), start = "began", counting = TRUE),
          "of \"single\", the first arm")
  expect_match(of(landmark = 1.5)$notes$text, "may have begun later", all = FALSE)
  data$began <- 0
  expect_identical(effect(of(start = "began"))$hr, effect(of())$hr)
})

test_that("the page names the call, not the data in it", {
  found <- do.call(tepp_analyse, list(data = tepp_stratify(patients(), cuts), horizon = 4))
  page <- capture_output_lines(print(found))
  expect_match(page[length(page)], "data = data, horizon = 4", fixed = TRUE)
  expect_lt(length(page), 80L)
})

test_that("the analysis comes as tables", {
  found <- analysed(patients(), adjust = "age")
  expect_identical(as.data.frame(found), found$contrasts)
  skip_if_not_installed("generics")
  long <- generics::tidy(found)
  expect_identical(long$p.value[1:2], found$interaction$p)
  expect_identical(long$estimate[long$term == "adjusted hazard ratio"], found$contrasts$adjusted_hr)
  expect_identical(long$p.adjusted[long$term == "adjusted hazard ratio"], found$contrasts$p_adjusted)
  expect_identical(generics::glance(found)$p.tier.interaction, found$interaction$p[1])
  alone <- generics::glance(analysed(transform(patients(), tier = "Low"), score = NULL))
  expect_identical(alone[c("p.tier.interaction", "p.score.interaction")],
                   data.frame(p.tier.interaction = NA_real_, p.score.interaction = NA_real_))
  expect_s3_class(found$fits$score$interaction, "coxph")
  expect_s3_class(found$fits$survival$High, "survfit")
})

test_that("proportional hazards are those of cox.zph of the interaction's fit, and told where they do not hold", {
  data <- tepp_stratify(patients(), cuts)
  crossing <- data$treatment == "single"
  data$rfs_time[crossing] <- data$rfs_time[crossing]^3 / 20 + 0.001
  for (table in list(tepp_stratify(patients(), cuts), data)) {
    found <- analysed(table)
    expected <- survival::cox.zph(found$fits$tier$interaction)$table
    expect_equal(found$proportional$p, unname(expected[, "p"]))
    global <- expected["GLOBAL", "p"]
    expect_identical(any(grepl("Hazards are not proportional", found$notes$text)), global < 0.05)
  }
  expect_lt(global, 0.05)
})
