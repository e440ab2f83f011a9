# Calibration of risks at one time, and the net benefit of acting on them.

calibration_at <- function(frame, time, risk) {
  bounded <- pmin(pmax(risk, 1e-8), 1 - 1e-8)
  part <- data.frame(time = frame$.time, status = frame$.event, cll = log(-log1p(-bounded)))
  observed <- event_risk(part, time)
  expected <- mean(risk)
  slope <- survival::coxph(survival::Surv(time, status) ~ cll, data = part)
  smooth <- smooth_risks(part, time)
  error <- abs(smooth - risk)
  spread <- stats::qnorm(0.975) * observed$se / observed$risk
  ratio <- observed$risk / expected
  list(numbers = data.frame(
    time = time, observed = observed$risk, expected = expected, oe = ratio, oe_low = ratio * exp(-spread),
    oe_high = ratio * exp(spread), slope = unname(stats::coef(slope)), slope_low = stats::confint(slope)[1L],
    slope_high = stats::confint(slope)[2L], ici = mean(error), e50 = stats::median(error),
    e90 = unname(stats::quantile(error, 0.9, na.rm = TRUE))
  ), groups = risk_groups(part, time, risk), curve = curve_rows(time, risk, smooth))
}

event_risk <- function(part, time) {
  at <- summary(survival::survfit(survival::Surv(part$time, part$status) ~ 1), times = time, extend = TRUE)
  list(risk = 1 - at$surv, se = at$std.err, low = 1 - at$upper, high = 1 - at$lower)
}

# What a flexible Cox model of the same risks says of each patient. rms looks for functions where it is called.
smooth_risks <- function(part, time) {
  scope <- list2env(list(part = part, Surv = survival::Surv), parent = asNamespace("rms"))
  call <- quote(cph(Surv(time, status) ~ rcs(cll, 3), data = part, x = TRUE, y = TRUE, surv = TRUE))
  fit <- tryCatch(eval(call, scope), error = function(e) NULL)
  if (is.null(fit)) {
    return(rep(NA_real_, nrow(part)))
  }
  1 - as.numeric(rms::survest(fit, newdata = part, times = time)$surv)
}

curve_rows <- function(time, risk, smooth) {
  order <- order(risk)
  data.frame(time = time, risk = risk[order], observed = smooth[order])
}

# Some 20 events a group, 3 groups at least and 10 at most.
risk_groups <- function(part, time, risk) {
  count <- max(3L, min(10L, sum(part$status) %/% 20L))
  breaks <- unique(stats::quantile(risk, seq(0, 1, length.out = count + 1L)))
  if (length(breaks) < 3L) {
    return(NULL)
  }
  group <- cut(risk, breaks, include.lowest = TRUE, labels = FALSE)
  rows <- lapply(split(seq_along(risk), group), function(rows) {
    found <- event_risk(part[rows, ], time)
    data.frame(time = time, n = length(rows), expected = mean(risk[rows]), observed = found$risk, low = found$low,
               high = found$high)
  })
  do.call(rbind, unname(rows))
}

net_benefits <- function(frame, time, risk, thresholds) {
  odds <- thresholds / (1 - thresholds)
  part <- data.frame(time = frame$.time, status = frame$.event)
  everyone <- event_risk(part, time)$risk
  by_risk <- vapply(thresholds, function(threshold) {
    acted <- risk > threshold
    if (!any(acted)) {
      return(0)
    }
    share <- mean(acted)
    events <- event_risk(part[acted, ], time)$risk
    share * (events - (1 - events) * threshold / (1 - threshold))
  }, 1)
  data.frame(time = time, threshold = thresholds, by_risk = by_risk, treat_all = everyone - (1 - everyone) * odds,
             treat_none = 0)
}
