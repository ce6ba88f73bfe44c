# Calls nothing. The mocks make up which sessions each rule finds; what is known of a
# session, such as its owner, cannot be made up in a list.
mock_provider "ssm" {}

override_data {
  target = data.ssm_sessions.too_old
  values = { session_ids = ["ann-1", "bob-1"] }
}

override_data {
  target = data.ssm_sessions.forbidden_owner
  values = { session_ids = ["bob-1"] }
}

run "without_a_rule_nothing_breaks_the_policy" {
  command = plan

  assert {
    condition     = length(output.violations) == 0
    error_message = "Sessions break a policy without rules: ${jsonencode(output.violations)}"
  }
}

run "names_every_rule_that_is_broken" {
  command = plan

  variables {
    max_age          = "8h"
    forbidden_owners = ["arn:*:iam::*:user/bob"]
  }

  assert {
    condition     = jsonencode(output.violations) == jsonencode({ "ann-1" = ["max_age"], "bob-1" = ["forbidden_owner", "max_age"] })
    error_message = "Other sessions break the policy: ${jsonencode(output.violations)}"
  }

  assert {
    condition     = length(ssm_session_termination.violation) == 0
    error_message = "A report is about to end sessions."
  }
}

run "spares_the_exempt" {
  command = plan

  variables {
    max_age       = "8h"
    exempt_owners = ["arn:*:sts::*:assumed-role/Operator/*"]
  }

  assert {
    condition     = data.ssm_sessions.too_old[0].exclude_owners == toset(["arn:*:sts::*:assumed-role/Operator/*"])
    error_message = "The rule on age covers those who are exempt."
  }
}

run "ends_them_when_told_to" {
  command = plan

  variables {
    enforce = true
    max_age = "8h"
  }

  assert {
    condition     = keys(ssm_session_termination.violation) == ["ann-1", "bob-1"]
    error_message = "Other sessions are about to end: ${jsonencode(keys(ssm_session_termination.violation))}"
  }
}

run "refuses_half_a_session" {
  command = plan

  variables {
    max_per_owner = 1.5
  }

  expect_failures = [var.max_per_owner]
}
