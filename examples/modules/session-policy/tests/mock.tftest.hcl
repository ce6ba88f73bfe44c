# Makes no calls. The mocks define which sessions each rule finds. Mocks cannot define the
# other values of a session, such as its owner, because they are in a list.
mock_provider "ssm" {
  mock_resource "ssm_session_drain" {
    defaults = {
      outcomes    = { "ann-1" = "terminated", "bob-1" = "failed", "new-1" = "terminated" }
      request_ids = { "ann-1" = "11111111-2222-4333-8444-555555555555", "new-1" = "66666666-7777-4888-9999-000000000000" }
    }
  }
}

override_data {
  target = data.ssm_sessions.too_old
  values = { session_ids = ["ann-1", "bob-1"] }
}

override_data {
  target = data.ssm_sessions.forbidden_owner
  values = { session_ids = ["bob-1"] }
}

run "without_rules_no_session_breaks_the_policy" {
  command = plan

  assert {
    condition     = length(output.violations) == 0
    error_message = "Sessions break a policy without rules: ${jsonencode(output.violations)}"
  }
}

run "lists_every_broken_rule" {
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
    condition     = length(ssm_session_drain.violations) + length(ssm_session_termination.violation) == 0
    error_message = "A report must not end sessions."
  }
}

run "leaves_exempt_owners_alone" {
  command = plan

  variables {
    max_age       = "8h"
    exempt_owners = ["arn:*:sts::*:assumed-role/Operator/*"]
  }

  assert {
    condition     = data.ssm_sessions.too_old[0].exclude_owners == toset(["arn:*:sts::*:assumed-role/Operator/*"])
    error_message = "The rule max_age covers exempt owners."
  }
}

run "ends_sessions_with_enforce" {
  command = plan

  variables {
    enforce          = true
    max_age          = "8h"
    forbidden_owners = ["arn:*:iam::*:user/bob"]
    max_ended        = 7
  }

  assert {
    condition     = keys(ssm_session_drain.violations) == ["forbidden_owner", "max_age"]
    error_message = "Other rules are enforced: ${jsonencode(keys(ssm_session_drain.violations))}"
  }

  assert {
    condition = alltrue([
      ssm_session_drain.violations["max_age"].older_than == "8h",
      ssm_session_drain.violations["max_age"].owners == null,
      ssm_session_drain.violations["forbidden_owner"].owners == toset(["arn:*:iam::*:user/bob"]),
      ssm_session_drain.violations["forbidden_owner"].older_than == null,
    ])
    error_message = "The drains do not select the sessions of the rules."
  }

  assert {
    condition     = alltrue([for drain in ssm_session_drain.violations : drain.exclude_owners == var.exempt_owners && drain.max_sessions == 7])
    error_message = "A drain covers exempt owners, or may end too many sessions."
  }
}

run "records_the_outcomes" {
  variables {
    enforce = true
    max_age = "8h"
  }

  assert {
    condition = [for session in jsondecode(output.evidence).sessions : [session.session_id, session.outcome, session.request_id]] == [
      ["ann-1", "terminated", "11111111-2222-4333-8444-555555555555"],
      ["bob-1", "failed", null],
      ["new-1", "terminated", "66666666-7777-4888-9999-000000000000"],
    ]
    error_message = "The evidence has other sessions: ${output.evidence}"
  }

  assert {
    condition     = alltrue([for session in jsondecode(output.evidence).sessions : session.rules == ["max_age"]])
    error_message = "The evidence has other rules: ${output.evidence}"
  }
}

run "claims_nothing_about_a_session_that_no_drain_found" {
  variables {
    enforce = true
    max_age = "8h"
  }

  override_data {
    target = data.ssm_sessions.too_old
    values = { session_ids = ["ann-1", "gus-1"] }
  }

  assert {
    condition     = [for session in jsondecode(output.evidence).sessions : session.outcome if session.session_id == "gus-1"] == ["not_matched"]
    error_message = "The evidence has another outcome: ${output.evidence}"
  }
}

run "refuses_a_fraction_of_a_session" {
  command = plan

  variables {
    max_per_owner = 1.5
  }

  expect_failures = [var.max_per_owner]
}
