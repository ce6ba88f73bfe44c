# Calls nothing: what the provider computes is made up here.
mock_provider "ssm" {
  mock_resource "ssm_session_drain" {
    defaults = {
      outcomes = {
        "Mary-Major-07a16060613c408b5"        = "terminated"
        "timmy-01cd54a0c8322733a"             = "already_ended"
        "Shirley-Rodriguez-0e8b5d1a7f3c24960" = "unverified"
      }
    }
  }
}

variables {
  node_id = "i-02573cafcfEXAMPLE"
}

run "selects_the_node_and_nothing_else" {
  command = plan

  assert {
    condition     = ssm_session_drain.node.targets == toset(["i-02573cafcfEXAMPLE"])
    error_message = "The drain selects other nodes."
  }

  assert {
    condition     = ssm_session_drain.node.exclude_owners == toset(["arn:*:sts::*:assumed-role/BreakGlass/*"])
    error_message = "The drain does not spare the sessions of emergencies."
  }
}

run "sums_up_the_outcomes" {
  assert {
    condition     = output.ended == 1
    error_message = "Only sessions that were terminated count."
  }

  assert {
    condition     = output.doubtful == ["Shirley-Rodriguez-0e8b5d1a7f3c24960"]
    error_message = "Sessions whose end was not seen are to be listed."
  }
}

run "refuses_what_is_no_node" {
  command = plan

  variables {
    node_id = "Mary-Major-07a16060613c408b5"
  }

  expect_failures = [var.node_id]
}
