# Warns at each plan and apply if the node cannot take sessions.
check "node_can_be_reached" {
  data "ssm_connection_status" "node" {
    target = "i-0123456789abcdef0"
  }

  assert {
    condition     = data.ssm_connection_status.node.status == "connected"
    error_message = "The node is ${data.ssm_connection_status.node.status}: check its SSM Agent, its role and its route to the endpoints."
  }
}
