# Public cohorts of the package survival, as the published analyses of them take them.

# The restricted cubic spline of 3 knots, 0, 1 and 9.
node_spline <- function(x) {
  cubed <- function(u) pmax(u, 0)^3
  (cubed(x) - cubed(x - 1) * 9 / 8 + cubed(x - 9) / 8) / 81
}

# STRATOS TG6 (McLernon 2023): recurrence or death within 5 years, in Rotterdam; gbsg validates.
rotterdam_years <- function() {
  frame <- survival::rotterdam
  frame$years <- frame$rtime / 365.25
  frame$rfs <- pmax(frame$recur, frame$death)
  later <- frame$rfs == 1 & frame$recur == 0 & frame$rtime < frame$dtime
  frame$years[later] <- frame$dtime[later] / 365.25
  with_covariates(frame, levels(frame$size), frame$size)
}

with_covariates <- function(frame, sizes, size) {
  frame$csize <- factor(size, levels = sizes)
  frame$nodes2 <- pmin(frame$nodes, 19)
  frame$nodes3 <- node_spline(frame$nodes2)
  frame$grade3 <- as.integer(frame$grade > 2)
  five_years(frame)
}

five_years <- function(frame) {
  frame$rfs5 <- ifelse(frame$years > 5, 0, frame$rfs)
  frame$years5 <- pmin(frame$years, 5)
  frame
}

stratos_fit <- function() {
  survival::coxph(survival::Surv(years5, rfs5) ~ csize + nodes2 + nodes3 + grade3, data = rotterdam_years(),
                  x = TRUE, y = TRUE)
}

# score: the STRATOS linear predictor; risk: of an event within 4.99 years; hormon no or yes.
gbsg_scored <- function(fit = stratos_fit()) {
  frame <- survival::gbsg
  frame$years <- frame$rfstime / 365.25
  frame$rfs <- frame$status
  sizes <- levels(survival::rotterdam$size)
  frame <- with_covariates(frame, sizes, cut(frame$size, c(-1, 20, 50, 500), labels = sizes))
  frame$score <- unname(stats::predict(fit, newdata = frame))
  frame$risk <- 1 - as.numeric(summary(survival::survfit(fit, newdata = frame), times = 4.99)$surv)
  frame$hormon <- c("no", "yes")[frame$hormon + 1]
  frame
}

gbsg_analysis <- function(...) {
  trial <- tepp_stratify(gbsg_scored(), tepp_cutpoints(gbsg_scored()$score))
  tepp_analyse(trial, "rfstime", "status", "hormon", contrasts = list(c("no", "yes")), horizon = 1826, ...)
}

colon_arms <- function(etype) {
  frame <- survival::colon[survival::colon$etype == etype, ]
  frame$treatment <- unname(c(Obs = "none", Lev = "single", "Lev+5FU" = "dual")[as.character(frame$rx)])
  frame$tier <- factor(c("few nodes", "many nodes")[frame$node4 + 1], levels = c("few nodes", "many nodes"))
  frame
}

# Values within tolerances that the published figures were printed with.
expect_close <- function(found, wanted, tolerance) {
  found <- unname(unlist(found))
  testthat::expect_length(found, length(wanted))
  testthat::expect_lte(max(abs(found - wanted)), tolerance)
}
