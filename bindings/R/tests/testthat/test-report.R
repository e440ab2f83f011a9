# The texts of a figure, as an uncompressed PDF has them.
drawn_texts <- function(draw) {
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file, 10, 5, compress = FALSE, useKerning = FALSE)
  draw()
  grDevices::dev.off()
  lines <- readLines(file, warn = FALSE, encoding = "latin1")
  found <- regmatches(lines, regexpr("\\(.*\\) Tj", lines, useBytes = TRUE))
  gsub("\\\\([()])", "\\1", sub("^\\((.*)\\) Tj$", "\\1", found))
}

trial <- tepp_stratify(gbsg_scored(), tepp_cutpoints(gbsg_scored()$score))
gbsg <- gbsg_analysis(unit = "days", endpoint = "recurrence <& death>")

test_that("the curves carry the interaction and the numbers at risk", {
  texts <- drawn_texts(function() expect_invisible(plot(gbsg)))
  expect_true(all(c("Low", "Moderate", "High", "at risk", "Research use only. Not a medical device.") %in% texts))
  expect_true("Interaction, tier x treatment: p = 0.72, score x treatment: p = 0.047" %in% texts)
  high <- trial[trial$tier == "High", ]
  for (arm in c("no", "yes")) {
    wanted <- vapply(seq(0, 2500, 500), function(t) sum(high$rfstime[high$hormon == arm] >= t), 1L)
    curves <- deeptepp:::arm_curves(gbsg$fits$survival$High, c("no", "yes"))
    expect_identical(as.integer(deeptepp:::at_risk(curves[[arm]], seq(0, 2500, 500))), wanted)
    expect_true(all(as.character(wanted) %in% texts))
  }
})

test_that("the forest has each hazard ratio, and pictures leave the caller's settings alone", {
  texts <- drawn_texts(function() {
    inside <- graphics::par("mar", "mfrow", "cex")
    plot(gbsg, "forest")
    expect_identical(graphics::par("mar", "mfrow", "cex"), inside)
  })
  expect_true(all(c("0.63 (0.44 to 0.90)", "0.71 (0.41 to 1.23)", "0.85 (0.55 to 1.32)", "0.69 (0.54 to 0.89)", "0.010",
                    "holm p", "686 (299)") %in% texts))
  expect_error(plot(gbsg, "violin"), "wanted \"survival\" or \"forest\"", class = "deeptepp_argument")
})

test_that("calibration and decision curves need risks", {
  skip_if_not_installed("riskRegression")
  skip_if_not_installed("rms")
  bare <- tepp_performance(trial, "rfstime", "status", times = 1826)
  for (which in c("calibration", "decision")) {
    expect_error(plot(bare, which), "a score is no probability", class = "deeptepp_argument")
  }
  found <- tepp_performance(trial, "years5", "rfs5", times = 4.99, risk = "risk", unit = "years")
  expect_true("observed to expected 1.02 (0.93 to 1.11)" %in% drawn_texts(function() plot(found)))
  expect_true("threshold: the risk at which one would act" %in% drawn_texts(function() plot(found, "decision")))
})

test_that("ggplot2 draws them too", {
  skip_if_not_installed("ggplot2")
  curves <- ggplot2::autoplot(gbsg)
  expect_identical(ggplot2::layer_data(curves)$y[1:2], c(1, 1))
  expect_identical(as.vector(table(ggplot2::layer_data(curves)$PANEL) > 50), rep(TRUE, 3))
  forest <- ggplot2::layer_data(ggplot2::autoplot(gbsg, "forest"), 2L)
  expect_equal(sort(10^forest$x), sort(gbsg$contrasts$hr))
})

test_that("a report is one file, in the order of the page, with the known items filled", {
  file <- tempfile(fileext = ".html")
  writeLines("old", file)
  expect_identical(tepp_report(gbsg, file), file)
  page <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  place <- function(text) regexpr(text, page, fixed = TRUE)[[1L]]
  order <- vapply(c("Research use only", "Patients (events)", "tier x treatment", ">0.72<", "2. Within tiers",
                    ">0.010<", "3. Differences at 1826 days", "Before believing it", "TRIPOD+AI:", "CLAIM:",
                    "METRICS:"), place, 1L)
  expect_true(all(order > 0L))
  expect_false(is.unsorted(order))
  expect_match(page, "recurrence &lt;&amp; death&gt;", fixed = TRUE)
  expect_false(grepl("recurrence <&", page, fixed = TRUE))
  sources <- regmatches(page, gregexpr("(src|href)=\"[^,]*", page))[[1L]]
  expect_identical(unique(sources), "src=\"data:image/png;base64")
  left <- length(gregexpr("<td class=\"author\">author</td>", page, fixed = TRUE)[[1L]])
  filled <- regmatches(page, gregexpr("[0-9]+(?= of [0-9]+ filled)", page, perl = TRUE))[[1L]]
  expect_identical(left + sum(as.integer(filled)), 52L + 44L + 30L)
  expect_match(page, "<td>10</td><td>Sample size</td><td class=\"author\">author</td>", fixed = TRUE)
  expect_match(page, "<td>8a</td><td>Outcome and its horizon</td><td>recurrence &lt;&amp; death&gt;; horizon 1826",
               fixed = TRUE)
})

test_that("a report says what the model's file says, and refuses another model", {
  model <- open_example()
  mine <- tepp_stratify(transform(trial, model_sha256 = tepp_info(model)$sha256), attr(trial$tier, "cuts"))
  analyse <- function(data) {
    tepp_analyse(data, "rfstime", "status", "hormon", contrasts = list(c("no", "yes")), horizon = 1826)
  }
  file <- tempfile(fileext = ".html")
  tepp_report(analyse(mine), file, model = model)
  page <- paste(readLines(file, encoding = "UTF-8"), collapse = "\n")
  expect_match(page, tepp_info(model)$properties[["intended_use"]], fixed = TRUE)
  other <- analyse(transform(mine, model_sha256 = strrep("e", 64)))
  expect_error(tepp_report(other, file, model = model), "wanted those of one model", class = "deeptepp_argument")
  expect_error(tepp_report(list(), file), "wanted what tepp_analyse", class = "deeptepp_argument")
  expect_error(tepp_report(other, file, performance = 1), "wanted what tepp_performance", class = "deeptepp_argument")
})

test_that("base64 is that of jsonlite", {
  skip_if_not_installed("jsonlite")
  set.seed(6)
  for (size in c(0:7, 1000)) {
    bytes <- as.raw(sample(0:255, size, replace = TRUE))
    expect_identical(deeptepp:::base64_text(bytes), gsub("\n", "", jsonlite::base64_enc(bytes)))
  }
})
