# Makes no calls. The computed values of the provider are defined here.
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

run "selects_only_the_node" {
  command = plan

  assert {
    condition     = ssm_session_drain.node.targets == toset(["i-02573cafcfEXAMPLE"])
    error_message = "The drain selects other nodes."
  }

  assert {
    condition     = ssm_session_drain.node.exclude_owners == toset(["arn:*:sts::*:assumed-role/BreakGlass/*"])
    error_message = "The drain does not exclude the emergency role."
  }
}

run "counts_the_outcomes" {
  assert {
    condition     = output.ended == 1
    error_message = "Only terminated sessions must be counted."
  }

  assert {
    condition     = output.doubtful == ["Shirley-Rodriguez-0e8b5d1a7f3c24960"]
    error_message = "Sessions whose end was not seen must be listed."
  }
}

run "refuses_an_invalid_node_id" {
  command = plan

  variables {
    node_id = "Mary-Major-07a16060613c408b5"
  }

  expect_failures = [var.node_id]
}
