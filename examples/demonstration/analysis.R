# The held-out patients' analysis, as of any cohort, beside the truth that only a generated one has; then site B.
# Runs in the folder that examples/demonstration/run fills. Research use only.
suppressPackageStartupMessages(library(deeptepp))
options(width = 160)

endpoint <- "recurrence-free survival of generated patients"
times <- c(2, 5)
risks <- c("survival:2", "survival:5")
model <- tepp_open("model.safetensors")
cuts <- tepp_cutpoints(given = tepp_info(model)$cutpoints, source = tepp_info(model)$properties[["tiers.source"]])

read_scores <- function(path) {
  table <- read.delim(path, na.strings = "n/a", check.names = FALSE)
  for (name in c("tier", "latent_tier")) table[[name]] <- factor(table[[name]], c("Low", "Moderate", "High"))
  table
}

# The cases that anything of the model was made of.
seen <- do.call(rbind, lapply(c("trained.out-of-fold.tsv", "calibration-scores.tsv"), function(path) {
  read.delim(path, na.strings = "n/a")[c("participant_id", "image_sha256")]
}))

title <- function(text) cat("\n\n", strrep("=", 88), "\n", text, "\n\n", sep = "")

analyse <- function(data, tier = "tier", score = "score") {
  tepp_analyse(data, tier = tier, score = score, adjust = "nodes", horizon = 5, unit = "years", endpoint = endpoint)
}

perform <- function(data) {
  tepp_performance(data, times = times, risk = risks, unit = "years", endpoint = endpoint, training = seen)
}

c_text <- function(score, data) {
  found <- survival::concordance(survival::Surv(data$rfs_time, data$rfs_event) ~ data[[score]], reverse = TRUE)
  half <- 1.96 * sqrt(found$var)
  sprintf("%.3f (%.3f to %.3f)", found$concordance, found$concordance - half, found$concordance + half)
}

# The last row knows what no image shows.
ranks <- function(data) {
  by <- c("score" = "score", "latent risk, which images show in part" = "latent_risk",
          "latent hazard: risk, nodes and treatment" = "latent_log_hazard")
  untreated <- data[data$treatment == "none", ]
  data.frame(ranked_by = names(by), everybody = vapply(by, c_text, "", data = data),
             without_treatment = vapply(by, c_text, "", data = untreated))
}

# ---- Many outcome sets of the same scores ----

# What tepp_analyse() fits, by itself, which a thousand sets have time for.
fit <- function(data, terms) {
  survival::coxph(reformulate(c(terms, "nodes"), quote(survival::Surv(rfs_time, rfs_event))), data)
}

interactions <- function(data) {
  p <- function(kind) {
    anova(fit(data, c(kind, "treatment")), fit(data, paste(kind, "* treatment")))[["Pr(>|Chi|)"]][2]
  }
  c("tier x treatment" = p("tier"), "score x treatment" = p("score"))
}

# Logarithms of adjusted hazard ratios within tiers, single against none and dual against single.
contrasts <- function(data) {
  unlist(lapply(levels(data$tier), function(tier) {
    found <- coef(fit(data[data$tier == tier, ], "treatment"))
    c(found[["treatmentsingle"]], found[["treatmentdual"]] - found[["treatmentsingle"]])
  }))
}

# A column a set; the first is shown to be tepp_analyse()'s.
of_sets <- function(path, scores) {
  sets <- read.delim(path)
  drawn <- setdiff(names(sets), "set")
  sets <- lapply(split(sets, sets$set), function(set) {
    set$treatment <- factor(set$treatment, c("none", "single", "dual"))
    merge(scores[c("participant_id", "tier", "score")], set[drawn])
  })
  both <- function(set) c(interactions(set), contrasts(set))
  first <- analyse(sets[[1]])
  within <- as.data.frame(first)
  wanted <- c(first$interaction$p, log(within$adjusted_hr[within$tier != "All"]))
  stopifnot(all.equal(unname(both(sets[[1]])), wanted, tolerance = 1e-6))
  vapply(parallel::mclapply(sets, both, mc.cores = 2), identity, numeric(length(wanted)))
}

say_rejected <- function(p) {
  for (test in rownames(p)) {
    rejected <- sum(p[test, ] < 0.05)
    interval <- binom.test(rejected, ncol(p))$conf.int
    cat(sprintf("%s: %d of %d outcome sets rejected at 5 %%, %.3f (95 %% %.3f to %.3f)\n", test, rejected, ncol(p),
                rejected / ncol(p), interval[1], interval[2]))
  }
}

# ---- Effects ----

# Adjusted hazard ratios: planted and found in latent tiers; expected (the median over outcome sets) and found in the
# score's tiers, of which each holds patients of other latent tiers too.
effects <- function(found, known, truth, expected) {
  found <- subset(as.data.frame(found), tier != "All")
  known <- subset(as.data.frame(known), tier != "All")
  planted <- function(tier, treatment) {
    truth$hazard_ratio[match(paste(tier, treatment), paste(truth$tier, truth$treatment))]
  }
  text <- function(rows) with(rows, sprintf("%.2f (%.2f to %.2f)", adjusted_hr, adjusted_low, adjusted_high))
  data.frame(tier = found$tier, contrast = paste(found$to, "v", found$from),
             planted = planted(found$tier, found$to) / planted(found$tier, found$from), by_latent_tier = text(known),
             expected_by_score = round(exp(expected), 2), by_score_tier = text(found))
}

warned <- function(data) {
  kinds <- unlist(strsplit(data$warnings[!is.na(data$warnings)], ";"))
  if (length(kinds) == 0) "none" else paste(sprintf("%s %d", names(table(kinds)), table(kinds)), collapse = ", ")
}

show <- function(table) print(table, row.names = FALSE, right = FALSE)

test <- read_scores("test-scores.tsv")
site_b <- read_scores("site-b-scores.tsv")

title("Held-out patients")
analysis <- tepp_analyse(test, adjust = "nodes", horizon = 5, unit = "years", endpoint = endpoint, cuts = cuts,
                         training = seen)
print(analysis)
performance <- perform(test)
print(performance)
tepp_report(analysis, "analysis.html", performance, model)

by_effect <- of_sets("effect.tsv", test)
by_null <- of_sets("null.tsv", test)
tests <- 1:2

title("Beside the planted truth")
show(ranks(test))
cat("\nTiers of the score (rows) and of the latent risk\n")
print(table(score = test$tier, latent = test$latent_tier))
known <- analyse(test, "latent_tier", "latent_risk")
cat("\nHazard ratios, adjusted for nodes\n")
show(effects(analysis, known, read.delim("test/truth.tsv"), apply(by_effect[-tests, ], 1, median)))
cat(sprintf("\nInteraction: p = %.2g by the score's tiers, %.2g by the latent ones\n", analysis$interaction$p[1],
            known$interaction$p[1]))

title("The planted effects, other outcomes for the same scores: how often they are found")
say_rejected(by_effect[tests, ])

title("No effect on anybody, other outcomes for the same scores: how often one is found")
say_rejected(by_null[tests, ])

title("Site B: the same patients, another scanner")
show(ranks(site_b))
cat("\nShare of patients by tier\n")
share <- function(tiers) as.vector(round(prop.table(table(tiers)), 3))
show(data.frame(tier = levels(test$tier), site_a = share(test$tier), site_b = share(site_b$tier),
                latent = share(test$latent_tier)))
cat("\nScores with a warning\n  site A: ", warned(test), "\n  site B: ", warned(site_b), "\n\n", sep = "")
print(perform(site_b))
