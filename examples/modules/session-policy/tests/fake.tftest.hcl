# Uses the sessions of sessions.json at the fake endpoint. Region, credentials and endpoint
# come from the environment.
provider "ssm" {}

variables {
  max_age         = "24h"
  max_per_owner   = 2
  forbidden_nodes = ["i-0471e04240EXAMPLE"]
}

run "reports_but_ends_no_session" {
  assert {
    condition = jsonencode(output.violations) == jsonencode({
      "Mary-Major-07a16060613c408b5" = ["max_age", "max_per_owner"]
      "timmy-01cd54a0c8322733a"      = ["forbidden_node"]
    })
    error_message = "Other sessions break the policy: ${jsonencode(output.violations)}"
  }

  assert {
    condition     = alltrue([for session in jsondecode(output.evidence).sessions : session.outcome == "reported" && session.request_id == null])
    error_message = "The evidence contains an ended session: ${output.evidence}"
  }
}

run "refuses_to_end_more_than_allowed" {
  command = plan

  variables {
    enforce   = true
    max_ended = 1
  }

  expect_failures = [ssm_session_drain.violations]
}

run "ends_what_breaks_the_policy" {
  variables {
    enforce = true
  }

  assert {
    condition = { for session in jsondecode(output.evidence).sessions : session.session_id => session.outcome } == {
      "Mary-Major-07a16060613c408b5" = "terminated"
      "timmy-01cd54a0c8322733a"      = "terminated"
    }
    error_message = "The sessions have other outcomes: ${output.evidence}"
  }

  assert {
    condition = alltrue([
      for session in jsondecode(output.evidence).sessions :
      session.owner != null && session.target != null && session.started_at != null && session.region == "us-east-1"
    ])
    error_message = "The evidence lacks an owner, target or start: ${output.evidence}"
  }

  assert {
    condition     = alltrue([for session in jsondecode(output.evidence).sessions : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", session.request_id))])
    error_message = "The evidence lacks a request ID: ${output.evidence}"
  }
}

run "ends_the_oldest_of_an_owner" {
  variables {
    enforce       = true
    max_per_owner = 1
  }

  assert {
    condition = [for session in jsondecode(output.evidence).sessions : [session.session_id, session.rules, session.outcome, session.request_id]] == [
      ["Mary-Major-0c1f8be0d2a974e36", ["max_per_owner"], "terminated", null],
    ]
    error_message = "The evidence has other sessions: ${output.evidence}"
  }
}

run "finds_nothing_more" {
  variables {
    enforce       = true
    max_per_owner = 1
  }

  assert {
    condition     = length(output.violations) == 0
    error_message = "Sessions still break the policy: ${jsonencode(output.violations)}"
  }
}
