# Published figures of public cohorts; the letters are their names in the reference table.

all_row <- function(found) found$contrasts[found$contrasts$tier == "All", ]

# The p-value of a hazard ratio, by its interval.
wald_p <- function(hr, low, high) {
  2 * stats::pnorm(-abs(log(hr)) / (log(high / low) / (2 * stats::qnorm(0.975))))
}

gbsg <- gbsg_analysis()
everyone <- gbsg$arms[gbsg$arms$tier == "All", ]

test_that("G01 G02 G03: gbsg's counts, log-rank test and hazard ratio", {
  expect_identical(c(gbsg$n, as.integer(gbsg$events), everyone$n), c(686L, 299L, 440L, 246L))
  one <- all_row(gbsg)
  expect_close(one$statistic, 8.564781, 1e-5)
  expect_close(one$p, 0.003427282, 1e-8)
  expect_close(one[c("hr", "hr_low", "hr_high")], c(0.6948843, 0.5438441, 0.8878726), 1e-6)
  expect_close(wald_p(one$hr, one$hr_low, one$hr_high), 0.003602266, 1e-6)
})

test_that("G04: the hazard ratio adjusted for the seven other covariates", {
  one <- all_row(gbsg_analysis(adjust = ~ age + meno + size + factor(grade) + nodes + pgr + er))
  expect_close(one[c("adjusted_hr", "adjusted_low", "adjusted_high")], c(0.7073155, 0.5492178, 0.9109233), 1e-6)
  expect_close(one$p, 0.007301417, 1e-6)
})

test_that("G05 G06 G07: medians, survival and restricted mean difference at 5 years", {
  expect_identical(everyone$median, c(1528, 2018))
  expect_close(everyone[2, c("survival", "survival_se")], c(0.581210, 0.0362287), 1e-5)
  trial <- transform(gbsg_scored(), tier = "one")
  years <- tepp_analyse(trial, "years", "status", "hormon", score = NULL, contrasts = list(c("no", "yes")), horizon = 5)
  expect_close(all_row(years)[c("d_rmst", "d_rmst_low", "d_rmst_high")], c(0.4092662, 0.1473538, 0.6711787), 1e-6)
  expect_null(years$interaction)
})

test_that("G08: the STRATOS model of Rotterdam", {
  expect_close(stats::coef(stratos_fit()), c(0.34184, 0.57355, 0.30397, -0.81117, 0.36171), 5e-6)
})

test_that("G09 to G14: its performance in gbsg", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  found <- tepp_performance(gbsg_scored(), "years5", "rfs5", times = 4.99, risk = "risk", thresholds = c(0.1, 0.23))
  expect_close(found$concordance$estimate, c(0.6524008, 0.6353713), 1e-6)
  expect_close(found$auc[c("auc", "low", "high")], c(0.6774637, 0.622531, 0.7323964), 1e-5)
  expect_close(found$brier[c("brier", "low", "high", "ipa")], c(0.2247775, 0.2093874, 0.2401677, 0.1006387), 1e-6)
  expect_close(found$calibration[c("oe", "slope")], c(1.01739, 1.056204), 1e-5)
  expect_close(found$calibration[c("ici", "e50", "e90")], c(0.03017958, 0.02627822, 0.07466548), 1e-7)
  expect_close(found$decision$treat_all[2], 0.3615002, 1e-6)
})

test_that("G15 G16: maximally selected cut-points", {
  skip_if_not_installed("maxstat")
  DLBCL <- NULL
  utils::data("DLBCL", package = "maxstat", envir = environment())
  small <- tepp_cutpoint_maxstat(DLBCL$time, DLBCL$cens, DLBCL$MGE, pmethod = "HL")
  expect_close(c(small$statistic, small$p_value, small$cutpoints), c(3.171, 0.02218, 0.1860526), 1e-3)
  large <- with(survival::gbsg, lapply(c("Lau92", "Lau94"), tepp_cutpoint_maxstat, time = rfstime, status = status,
                                       score = pgr))
  expect_close(c(large[[1]]$statistic, large[[1]]$cutpoints), c(6.7717, 21), 1e-3)
  expect_close(c(large[[1]]$p_value / 1.307e-09, large[[2]]$p_value / 8.29e-10), c(1, 1), 1e-3)
  cut <- transform(survival::gbsg, tier = "one", arm = ifelse(pgr <= 21, "low", "high"))
  naive <- tepp_analyse(cut, "rfstime", "status", "arm", score = NULL, contrasts = list(c("low", "high")),
                        horizon = 1826)
  expect_close(all_row(naive)$p / 1.365e-12, 1, 1e-3)
  expect_error(with(survival::gbsg, tepp_cutpoint_maxstat(rfstime, status, pgr, pmethod = "HL")), "does not finish")
})

test_that("G17 G18 G19 G20: colon, three arms", {
  pairs <- list(c("none", "single"), c("none", "dual"), c("single", "dual"))
  found <- lapply(1:2, function(etype) {
    tepp_analyse(colon_arms(etype), "time", "status", score = NULL, contrasts = pairs, horizon = 1826)
  })
  recurrence <- all_row(found[[1]])
  ratios <- function(rows) c(rows$hr[1:2], rows$hr_low[2], rows$hr_high[2])
  expect_close(ratios(recurrence), c(0.9850, 0.5992, 0.4749, 0.7561), 1e-4)
  expect_close(ratios(all_row(found[[2]])), c(0.9737, 0.6896, 0.5464, 0.8703), 1e-4)
  within <- found[[1]]$contrasts[found[[1]]$contrasts$tier != "All", ]
  expect_close(within$p[c(1, 3, 4, 6)], c(0.5690393, 0.0004072492, 0.6991838, 0.02891152), 1e-6)
  expect_close(found[[1]]$interaction[c("chisq", "df", "p")], c(1.008, 2, 0.6041), 1e-3)
})

test_that("G21 G22 G23 G24: gbsg in the paper's tiers", {
  cells <- gbsg$cells
  expect_identical(c(tapply(cells$n, cells$tier, sum)[c("Low", "Moderate", "High")]),
                   c(Low = 419L, Moderate = 136L, High = 131L))
  within <- gbsg$contrasts[gbsg$contrasts$tier != "All", ]
  expect_identical(within$events, c(145L, 62L, 92L))
  expect_close(within$p, c(0.0104, 0.2194, 0.4770), 1e-4)
  expect_close(within$hr, c(0.632, 0.710, 0.853), 1e-3)
  expect_close(within$hr_low, c(0.444, 0.410, 0.551), 1e-3)
  expect_close(within$hr_high, c(0.900, 1.230, 1.321), 1e-3)
  expect_identical(gbsg$interaction$test, c("tier x treatment", "score x treatment"))
  expect_identical(gbsg$interaction$df, c(2, 1))
  expect_close(gbsg$interaction$p, c(0.7223, 0.0474), 1e-4)
})

test_that("G25: Rotterdam, unadjusted and adjusted", {
  frame <- survival::rotterdam
  frame$rfs <- ifelse(frame$recur == 1 | (frame$death == 1 & frame$dtime <= frame$rtime), 1, 0)
  frame$tier <- "one"
  found <- tepp_analyse(frame, "rtime", "rfs", "hormon", score = NULL, contrasts = list(c(0, 1)), horizon = 1826,
                        adjust = ~ size + factor(grade) + log1p(nodes) + pspline(age) + meno + pgr + er + chemo)
  expect_identical(as.integer(found$events), 1670L)
  one <- all_row(found)
  expect_close(one[c("hr", "hr_low", "hr_high")], c(1.2994, 1.1207, 1.5067), 1e-4)
  expect_close(one[c("adjusted_hr", "adjusted_low", "adjusted_high")], c(0.6831, 0.5830, 0.8004), 1e-4)
})

test_that("G26 G27: the paper's shares of 726, and its four p-values after Holm", {
  set.seed(1)
  score <- stats::rnorm(726)
  expect_identical(c(unname(table(tepp_stratify(score, tepp_cutpoints(score))))), c(439L, 144L, 143L))
  expect_close(stats::p.adjust(c(0.144, 0.048, 0.125, 0.045), "holm"), c(0.25, 0.18, 0.25, 0.18), 1e-12)
  within <- gbsg$contrasts$tier != "All"
  expect_identical(gbsg$contrasts$p_adjusted[within], stats::p.adjust(gbsg$contrasts$p[within], "holm"))
})

test_that("the page of gbsg leads with the interaction, above the within-tier p-values", {
  page <- capture_output_lines(print(gbsg))
  place <- function(text) grep(text, page)[1L]
  expect_match(page[2L], "Research use only")
  expect_match(page[place("tier x treatment")], "p = 0.72")
  expect_lt(place("Patients \\(events\\)"), place("tier x treatment"))
  expect_lt(place("tier x treatment"), place("^  Low .* 0.010 +0.031$"))
  expect_match(page[place("^  Moderate .*yes v no")], "0.22 +0.44$")
  expect_match(page[place("^  High .*yes v no")], "0.48 +0.48$")
  expect_match(paste(page, collapse = " "), "No evidence.*is no such evidence.*confounding.*no probability")
  colon <- capture_output_lines(print(tepp_analyse(colon_arms(1), "time", "status", score = NULL, horizon = 1826)))
  expect_lt(grep("tier x treatment .*p = 0.60", colon), grep("dual v single", colon)[1L])
})
