# Ends sessions at the fake endpoint. Region, credentials and endpoint come from
# the environment.
provider "ssm" {}

run "ends_the_sessions_on_the_node" {
  variables {
    node_id = "i-02573cafcfEXAMPLE"
  }

  assert {
    condition     = output.ended == 2
    error_message = "${output.ended} sessions were ended, want 2."
  }
}

run "leaves_an_idle_node_alone" {
  variables {
    node_id = "i-07f5e1b6d3EXAMPLE"
  }

  assert {
    condition     = output.ended == 0
    error_message = "There are no sessions on this node."
  }
}
