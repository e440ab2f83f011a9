# Public cohorts of the package survival as CSV, as the published analyses take them: Rscript public_cohorts.R FOLDER

library(survival)
folder <- commandArgs(TRUE)[1]
save <- function(frame, name) write.csv(frame, file.path(folder, name), row.names = FALSE, na = "")

# The restricted cubic spline with knots 0, 1 and 9.
spline <- function(x) {
  cubed <- function(u) pmax(u, 0)^3
  (cubed(x) - cubed(x - 1) * 9 / 8 + cubed(x - 9) / 8) / 81
}

# STRATOS TG6 (McLernon 2023): recurrence or death within 5 years.
prepared <- function(frame, size) {
  frame$size2 <- as.integer(size == levels(size)[2])
  frame$size3 <- as.integer(size == levels(size)[3])
  frame$nodes2 <- pmin(frame$nodes, 19)
  frame$nodes3 <- spline(frame$nodes2)
  frame$grade3 <- as.integer(frame$grade > 2)
  frame$rfs5 <- ifelse(frame$years > 5, 0, frame$rfs)
  frame$years5 <- pmin(frame$years, 5)
  frame
}

dutch <- rotterdam
dutch$years <- dutch$rtime / 365.25
dutch$rfs <- pmax(dutch$recur, dutch$death)
later <- dutch$rfs == 1 & dutch$recur == 0 & dutch$rtime < dutch$dtime
dutch$years[later] <- dutch$dtime[later] / 365.25
dutch$rfs_conservative <- ifelse(dutch$recur == 1 | (dutch$death == 1 & dutch$dtime <= dutch$rtime), 1, 0)
dutch <- prepared(dutch, dutch$size)
fit <- coxph(Surv(years5, rfs5) ~ size2 + size3 + nodes2 + nodes3 + grade3, dutch)
save(dutch, "rotterdam.csv")

german <- gbsg
german$years <- german$rfstime / 365.25
german$rfs <- german$status
german <- prepared(german, cut(german$size, c(-1, 20, 50, 500)))
german$score <- predict(fit, newdata = german)
german$risk <- 1 - as.numeric(summary(survfit(fit, newdata = german), times = 4.99)$surv)
german$grade_name <- c("I", "II", "III")[german$grade]
german$hormon <- c("no", "yes")[german$hormon + 1]
save(german, "gbsg.csv")

trial <- colon
trial$treatment <- unname(c(Obs = "none", Lev = "single", "Lev+5FU" = "dual")[as.character(trial$rx)])
trial$tier <- c("few nodes", "many nodes")[trial$node4 + 1]
for (k in 1:2) save(trial[trial$etype == k, ], sprintf("colon%d.csv", k))
