# The held-out patients' analysis, as of any cohort, beside the truth that only a generated one has; then site B.
# Runs in the folder that examples/demonstration/run fills. Research use only.
suppressPackageStartupMessages(library(deeptepp))

endpoint <- "recurrence-free survival of generated patients"
times <- c(2, 5)
risks <- c("survival:2", "survival:5")
model <- tepp_open("model.safetensors")
cuts <- tepp_cutpoints(given = tepp_info(model)$cutpoints, source = tepp_info(model)$properties[["tiers.source"]])
seen <- "trained.out-of-fold.tsv"

read_scores <- function(path) {
  table <- read.delim(path, na.strings = "n/a", check.names = FALSE)
  for (name in c("tier", "latent_tier")) table[[name]] <- factor(table[[name]], c("Low", "Moderate", "High"))
  table
}

title <- function(text) cat("\n\n", strrep("=", 88), "\n", text, "\n\n", sep = "")

analyse <- function(data, ...) {
  tepp_analyse(data, adjust = "nodes", horizon = 5, unit = "years", endpoint = endpoint, ...)
}

# What a score would find that is the latent risk itself.
analyse_latent <- function(data) {
  analyse(data, tier = "latent_tier", score = "latent_risk")
}

perform <- function(data) {
  tepp_performance(data, times = times, risk = risks, unit = "years", endpoint = endpoint, training = seen)
}

c_text <- function(data, score) {
  found <- survival::concordance(survival::Surv(data$rfs_time, data$rfs_event) ~ data[[score]], reverse = TRUE)
  half <- 1.96 * sqrt(found$var)
  sprintf("%.3f (%.3f to %.3f)", found$concordance, found$concordance - half, found$concordance + half)
}

ranks <- function(data) {
  untreated <- data[data$treatment == "none", ]
  data.frame(ranked_by = c("score", "latent risk: the best there is"),
             everybody = c(c_text(data, "score"), c_text(data, "latent_risk")),
             without_treatment = c(c_text(untreated, "score"), c_text(untreated, "latent_risk")))
}

# Adjusted hazard ratios by the score's tiers and by the latent ones, beside what was planted.
effects <- function(data, truth) {
  found <- as.data.frame(analyse(data))
  known <- as.data.frame(analyse_latent(data))
  planted <- function(tier, treatment) {
    truth$hazard_ratio[match(paste(tier, treatment), paste(truth$tier, truth$treatment))]
  }
  text <- function(rows) with(rows, sprintf("%.2f (%.2f to %.2f)", adjusted_hr, adjusted_low, adjusted_high))
  shown <- data.frame(tier = found$tier, contrast = paste(found$to, "v", found$from),
                      planted = planted(found$tier, found$to) / planted(found$tier, found$from),
                      by_latent_tier = text(known), by_score_tier = text(found))
  shown[found$tier != "All", ]
}

# The interaction tests of tepp_analyse() by themselves, which a thousand sets have time for; one set shows that they are
# the same.
interactions <- function(data) {
  p <- function(kind) {
    fit <- function(sign) {
      survival::coxph(reformulate(sprintf("%s %s treatment + nodes", kind, sign), quote(survival::Surv(rfs_time, rfs_event))),
                      data)
    }
    anova(fit("+"), fit("*"))[["Pr(>|Chi|)"]][2]
  }
  c("tier x treatment" = p("tier"), "score x treatment" = p("score"))
}

# How often tests at 5 % find an interaction where none was planted.
null_rate <- function(scores, sets) {
  drawn <- setdiff(names(sets), "set")
  join <- function(set) merge(scores[c("participant_id", "tier", "score")], set[drawn])
  sets <- lapply(split(sets, sets$set), join)
  stopifnot(all.equal(unname(interactions(sets[[1]])), analyse(sets[[1]])$interaction$p, tolerance = 1e-6))
  p <- simplify2array(parallel::mclapply(sets, interactions, mc.cores = 2))
  for (test in rownames(p)) {
    rejected <- sum(p[test, ] < 0.05)
    interval <- binom.test(rejected, ncol(p))$conf.int
    cat(sprintf("%s: %d of %d outcome sets rejected at 5 %%, %.3f (95 %% %.3f to %.3f)\n", test, rejected, ncol(p),
                rejected / ncol(p), interval[1], interval[2]))
  }
}

show <- function(table) print(table, row.names = FALSE, right = FALSE)

test <- read_scores("test-scores.tsv")
site_b <- read_scores("site-b-scores.tsv")

title("Held-out patients")
analysis <- analyse(test, cuts = cuts, training = seen)
print(analysis)
performance <- perform(test)
print(performance)
tepp_report(analysis, "analysis.html", performance, model)

title("Beside the planted truth")
show(ranks(test))
cat("\nTiers of the score (rows) and of the latent risk\n")
print(table(score = test$tier, latent = test$latent_tier))
cat("\nHazard ratios, adjusted for nodes\n")
show(effects(test, read.delim("test/truth.tsv")))
known <- analyse_latent(test)$interaction
cat(sprintf("\nInteraction: p = %.2g by the score's tiers, %.2g by the latent ones\n", analysis$interaction$p[1],
            known$p[1]))

title("No planted effect: other outcomes for the same scores")
null_rate(test, read.delim("null.tsv"))

title("Site B: another scanner, patients alike")
show(ranks(site_b))
cat("\nShare of patients by tier\n")
show(data.frame(tier = levels(test$tier), site_a = c(round(prop.table(table(test$tier)), 3)),
                site_b = c(round(prop.table(table(site_b$tier)), 3)),
                latent_b = c(round(prop.table(table(site_b$latent_tier)), 3))))
print(perform(site_b))
